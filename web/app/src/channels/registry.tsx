/**
 * The IO channels that the page shows: one row each, with its state and its panel. To add one,
 * write its state and panel in this folder, a row here, and its words in `text/`.
 */

import type { Program } from "further-link";
import type { ComponentChildren } from "preact";
import { FigurePanel } from "./FigurePanel";
import { Figures } from "./figures";
import { KeysPanel } from "./KeysPanel";
import { Keys } from "./keys";
import { PlotPanel } from "./PlotPanel";
import { Plots } from "./plots";
import { SoundPanel } from "./SoundPanel";
import { Sounds } from "./sounds";
import { VideoPanel } from "./VideoPanel";
import { Video } from "./video";
import { WidgetsPanel } from "./WidgetsPanel";
import { WindowPanel } from "./WindowPanel";
import { Widgets } from "./widgets";
import { Windows } from "./windows";

/** Which panels of a program are shown. A channel with several panels gives each an id. */
interface Panels {
  /** Shows a panel, after those that are shown already. */
  show(id?: string): void;
  hide(id?: string): void;
}

/** What a panel is drawn with. */
interface PanelContext {
  /** The id that it was shown with. */
  readonly id: string;
  /** What the program is called. */
  readonly title: string;
}

export interface ChannelRow<State> {
  /**
   * Returns the channel's state for a program, and calls `listen` with what stops its listeners.
   */
  readonly open: (program: Program, panels: Panels, listen: (stop: () => void) => void) => State;
  /** Whether a panel that was shown has anything in it; if not given, it has. */
  readonly hasContent?: (state: State) => boolean;
  /** The panel goes while the program runs on: nothing may stay pressed. */
  readonly leave?: (state: State) => void;
  /** The program is over: nothing more can be sent to it. */
  readonly end?: (state: State) => void;
  /** Frees what the state holds. */
  readonly clear: (state: State) => void;
  readonly render: (state: State, context: PanelContext) => ComponentChildren;
}

const row = <State,>(channel: ChannelRow<State>): ChannelRow<State> => channel;

export const CHANNELS = {
  keys: row<Keys>({
    open: (program, panels, listen) => {
      const keys = new Keys((key, event) => program.key(key, event));
      listen(
        program.on("keylisten", (key) => {
          keys.want(key);
          panels.show();
        }),
      );
      return keys;
    },
    hasContent: (keys) => keys.wanted.length > 0,
    leave: (keys) => keys.releaseAll(),
    end: (keys) => keys.end(),
    clear: () => {},
    render: (keys) => <KeysPanel keys={keys} />,
  }),
  video: row<Video>({
    open: (program, panels, listen) => {
      const video = new Video();
      listen(
        program.on("video", (image, dropped) => {
          video.show(image, dropped);
          panels.show();
        }),
      );
      return video;
    },
    end: (video) => video.end(),
    clear: (video) => video.clear(),
    render: (video, { title }) => <VideoPanel video={video} name={title} />,
  }),
  figure: row<Figures>({
    open: (program, panels, listen) => {
      const figures = new Figures((id, isOver) => {
        // A program that is over cannot close it itself any more.
        if (!isOver) program.closeFigure(id);
        panels.hide(id);
      });
      listen(
        program.on("figure", (figure) => {
          for (const gone of figures.take(figure)) panels.hide(gone);
          if (figures.shown.some((other) => other.id === figure.id)) panels.show(figure.id);
        }),
      );
      return figures;
    },
    end: (figures) => figures.end(),
    clear: (figures) => figures.clear(),
    render: (figures, { id }) => {
      const figure = figures.shown.find((shown) => shown.id === id);
      return figure === undefined ? null : <FigurePanel figure={figure} onClose={() => figures.close(id)} />;
    },
  }),
  plot: row<Plots>({
    open: (program, panels, listen) => {
      const plots = new Plots();
      listen(
        program.on("plot", (plot) => {
          plots.add(plot);
          if (plots.shown.some((other) => other.name === plot.name)) panels.show(plot.name);
        }),
      );
      return plots;
    },
    clear: (plots) => plots.clear(),
    render: (plots, { id }) => {
      const data = plots.shown.find((plot) => plot.name === id);
      return data === undefined ? null : <PlotPanel data={data} />;
    },
  }),
  widgets: row<Widgets>({
    open: (program, panels, listen) => {
      const widgets = new Widgets((id, event, value) => program.widget(id, event, value));
      listen(
        program.on("widget", (widget) => {
          widgets.take(widget);
          panels.show();
        }),
      );
      return widgets;
    },
    hasContent: (widgets) => widgets.shown.length > 0,
    end: (widgets) => widgets.end(),
    clear: (widgets) => widgets.clear(),
    render: (widgets) => <WidgetsPanel widgets={widgets} />,
  }),
  sound: row<Sounds>({
    open: (program, panels, listen) => {
      const sounds = new Sounds();
      listen(
        program.on("sound", (sound) => {
          panels.show();
          void sounds.play(sound);
        }),
      );
      return sounds;
    },
    clear: (sounds) => sounds.clear(),
    render: (sounds) => <SoundPanel sounds={sounds} />,
  }),
  windows: row<Windows>({
    open: (program, panels, listen) => {
      const windows = new Windows();
      listen(
        program.on("window", (page) => {
          windows.add(page);
          panels.show();
        }),
      );
      return windows;
    },
    hasContent: (windows) => windows.pages.length > 0,
    clear: (windows) => windows.clear(),
    render: (windows) => <WindowPanel pages={windows.pages} />,
  }),
};

export type ChannelName = keyof typeof CHANNELS;

type StateOf<Name extends ChannelName> = (typeof CHANNELS)[Name] extends ChannelRow<infer State> ? State : never;

/** The state of each channel of one program. */
export type ChannelStates = { readonly [Name in ChannelName]: StateOf<Name> };
