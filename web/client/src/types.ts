/** What an application sees of a device: the types of the library's interface. */

import type { Feature as FeatureName } from "./generated/messages.js";

/** How the connection to the device is. */
export type ConnectionState =
  /** Not asked for yet, or closed by {@link FurtherLink.close}. */
  | { readonly kind: "closed" }
  | { readonly kind: "connecting" }
  | { readonly kind: "connected"; readonly version: string | null }
  /**
   * It was lost, or never came about. The next try is at `retryAt` (ms since 1970), or when the
   * network is back.
   */
  | { readonly kind: "waiting"; readonly retryAt: number; readonly reason: WaitReason };

/** Why there is no connection. Words for a program: what people read is the page's. */
export type WaitReason =
  /** Nobody answers: the device is off, out of reach, or the address is wrong. */
  | "unreachable"
  /**
   * The device lets this page not in (status 403): its settings name neither the address nor the
   * page's origin.
   */
  | "refused"
  /** The device has as many connections as it may (status 503). */
  | "full"
  /**
   * There is something that answers, but it speaks no WebSocket here: no Further Link, or something
   * between.
   */
  | "no-websocket"
  /** There was a connection, and it broke. */
  | "lost"
  /** There was a connection, or the begin of one, and nothing came any more. */
  | "timeout"
  /** The server on the device is being stopped or restarted (close code 1001). */
  | "server-stopping"
  /**
   * The two did not understand each other (close codes 1002, 1007, 1009): a fault of one of them.
   */
  | "protocol";

/** Additions to the protocol that an application shows (`docs/protocol.md` section 11). */
export type Feature = Exclude<FeatureName, "start">;

export interface TerminalSize {
  readonly rows: number;
  readonly cols: number;
}

/** What is to be started (`docs/protocol.md` section 2, `start`). */
export interface StartOptions {
  /** A name from {@link FurtherLink.runners}: `python3`, `shell`, `exec` … */
  readonly runner: string;
  /** The program's text; then `path` is the folder in which it runs. */
  readonly code?: string;
  /** The file to run, below the work folder. */
  readonly path?: string;
  readonly arguments?: readonly string[];
  /** Whether the program gets a terminal, of this size. */
  readonly pty?: boolean;
  readonly size?: TerminalSize;
  /** A display of its own for the program's windows, in pixels. */
  readonly display?: { readonly width?: number; readonly height?: number };
}

export type FailureCause =
  /** The device refused to start it. */
  | "device"
  /** The server on the device is too old for arguments. */
  | "no-arguments"
  /** There was no connection in time: the device was never asked. */
  | "no-connection"
  /** `stop` came before the device was asked to start it. */
  | "stopped-before";

/** How a program is. All but `starting` and `running` are final. */
export type ProgramState =
  | { readonly kind: "starting" }
  | { readonly kind: "running" }
  /** `code` is the exit status, or the negative number of the signal that ended it. */
  | { readonly kind: "stopped"; readonly code: number }
  /**
   * It could not be started: why, in a sentence for people. `cause` says whose words they are: the
   * device's, or this library's, which a page may put into its own.
   */
  | { readonly kind: "failed"; readonly message: string; readonly cause: FailureCause }
  /** The connection was lost, and the device stops the programs of a connection that is gone. */
  | { readonly kind: "lost" };

/** A piece of what a program has output. */
export interface Output {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Uint8Array;
  /** The same as text. A character that is split over two pieces is in the second one. */
  readonly text: string;
}

export interface Figure {
  readonly id: string;
  /** Its number for people. */
  readonly figure: number;
  readonly title: string;
  readonly format: "png" | "svg";
  readonly width: number;
  readonly height: number;
  readonly closed: boolean;
  /** The file; null if it is closed. */
  readonly image: Blob | null;
}

export interface PlotSeries {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** Points to be added to the plot of that name. */
export interface Plot {
  readonly name: string;
  readonly series: readonly PlotSeries[];
  readonly clear: boolean;
  /** How many points of each series are to be kept, if that was said. */
  readonly window: number | null;
}

/**
 * A widget is there or has changed; what is given replaces what was known of it. Unknown kinds are
 * possible.
 */
export interface Widget {
  readonly id: string;
  readonly kind: "button" | "slider" | "switch" | "number" | "joystick" | (string & {});
  readonly removed: boolean;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A sound to be played at once. `volume` is from 0 to 1. */
export type Sound =
  /** A tone of so many Hz, for so many seconds. */
  | { readonly kind: "tone"; readonly volume: number; readonly frequency: number; readonly duration: number }
  /** A WAV file. */
  | { readonly kind: "wav"; readonly volume: number; readonly bytes: Uint8Array<ArrayBuffer> };

/**
 * What a program tells beside its state. A listener of `output` may return a promise: the device
 * holds the program back rather than send much more than what was taken.
 */
export interface ProgramEvents {
  state: (state: ProgramState) => void;
  output: (output: Output) => void | Promise<void>;
  /** The program wants to be told of this key, a `KeyboardEvent.key` name. */
  keylisten: (key: string) => void;
  /** One JPEG picture. `dropped` is how many were left out since the last one. */
  video: (picture: Blob, dropped: number) => void;
  figure: (figure: Figure) => void;
  plot: (plot: Plot) => void;
  widget: (widget: Widget) => void;
  sound: (sound: Sound) => void;
  /** A window has appeared on the program's display: a page that shows it. */
  window: (page: { readonly port: number; readonly path: string }) => void;
  /** All input that had to wait was sent. */
  drain: () => void;
  /** The device refused something for this program: `message` for programs, `detail` for people. */
  error: (error: { readonly message: string; readonly detail: string | null }) => void;
}

export interface Program {
  /** Its name on the connection. */
  readonly name: string;
  readonly options: StartOptions;
  readonly state: ProgramState;
  /** Calls the listener for every event from now on; the answer stops that. */
  on<K extends keyof ProgramEvents>(event: K, listener: ProgramEvents[K]): () => void;
  /** Settles when the program is over, in whatever way. */
  readonly ended: Promise<ProgramState>;
  /**
   * Input for the program. Waits in the client as long as the program takes none (4 MiB at most,
   * then it throws).
   */
  write(input: string | Uint8Array): void;
  /**
   * There is no more input after what was written. False if there is no such thing: for a terminal
   * (write `"\x04"`), and with older servers.
   */
  end(): boolean;
  /** Bytes of input that wait here, since the program does not take what was sent before. */
  readonly waiting: number;
  resize(size: TerminalSize): void;
  key(key: string, event: "keydown" | "keyup"): void;
  closeFigure(id: string): void;
  widget(id: string, event: string, value?: unknown): void;
  /** SIGTERM; SIGKILL after the device's grace time. */
  stop(): void;
}

/** A language or other way to run something, of `GET /runners`. */
export interface Runner {
  readonly name: string;
  readonly title: string;
  /** With its dot; may be empty. */
  readonly extension: string;
  readonly installed: boolean;
}

/** `GET /device`; what a device does not have is null. */
export interface Device {
  readonly name: string;
  readonly model: string | null;
  readonly version: string;
  readonly system: string | null;
  /** As `aarch64`. */
  readonly architecture: string | null;
  /** Seconds since the device started. */
  readonly uptime: number | null;
  /** `load` from 0 to 1 over all cores. */
  readonly cpu: { readonly count: number; readonly load: number | null };
  /** Bytes. */
  readonly memory: { readonly total: number; readonly available: number } | null;
  readonly disk: { readonly total: number; readonly free: number } | null;
  /** °C */
  readonly temperature: number | null;
  readonly battery: { readonly level: number; readonly charging: boolean } | null;
  readonly programs: number;
}

/** Files that replace a folder of the work folder (`docs/protocol.md` section 5). */
export interface Project {
  /** The folder; it may have folders in front. */
  readonly name: string;
  readonly username?: string;
  /** By their names below the folder. Those with an address are fetched by the device. */
  readonly files: Readonly<Record<string, ProjectFile>>;
}

export type ProjectFile =
  | { readonly text: string }
  /** Kept under `bucketName` and `fileName` for the next time. */
  | { readonly url: string; readonly bucketName: string; readonly fileName: string };

export interface Uploaded {
  /** False if files with an address were left out, as the device has no internet access. */
  readonly fetchedUrls: boolean;
}

/** An entry of a folder (`docs/protocol.md` section 12). */
export interface FileEntry {
  readonly name: string;
  readonly directory: boolean;
  readonly size: number;
  /** ms since 1970 */
  readonly modified: number;
  readonly etag: string | null;
  readonly link: string | null;
  /** A device, FIFO or socket, or a link to nothing: it cannot be opened. */
  readonly unreadable: boolean;
}

export interface FolderList {
  readonly entries: readonly FileEntry[];
  readonly writable: boolean;
  /** There are more than are listed. */
  readonly truncated: boolean;
  /** Bytes. */
  readonly free: number;
  /** The folder's absolute path on the device, if the device says it. */
  readonly root: string | null;
}

export type FileChange =
  | {
      readonly kind: "created" | "changed";
      readonly path: string;
      readonly directory: boolean;
      readonly etag: string | null;
    }
  | { readonly kind: "deleted"; readonly path: string; readonly directory: boolean }
  | {
      readonly kind: "moved";
      readonly path: string;
      readonly from: string;
      readonly directory: boolean;
      readonly etag: string | null;
    }
  /**
   * Something may have been missed: list again. Comes when the watch has begun, and again whenever
   * it was lost and is back.
   */
  | { readonly kind: "overflow" }
  | { readonly kind: "gone" };

/**
 * The files below the work folder. Paths have no slash in front: `project/main.py`; "" is the work
 * folder. All methods throw {@link FilesError}.
 */
export interface Files {
  list(folder: string): Promise<FolderList>;
  /**
   * The whole file, in memory. One with more than `limit` bytes (100 MB, if nothing is said) is
   * refused with status 413; for larger ones there is {@link Files.url}.
   */
  read(
    path: string,
    options?: { readonly limit?: number; readonly signal?: AbortSignal },
  ): Promise<{ readonly bytes: Uint8Array; readonly etag: string | null }>;
  /** Where the browser finds it: for links and downloads. A folder as a ZIP archive. */
  url(path: string, options?: { readonly archive?: boolean }): string;
  /**
   * `ifMatch`: only if the file is still as it was (a FilesError with status 412 otherwise); null:
   * only if there is none. `onProgress` is told of the bytes that were sent.
   */
  write(
    path: string,
    content: string | Blob | Uint8Array,
    options?: {
      readonly ifMatch?: string | null;
      readonly parents?: boolean;
      readonly modified?: number;
      readonly onProgress?: (sent: number, total: number) => void;
      readonly signal?: AbortSignal;
    },
  ): Promise<{ readonly etag: string | null; readonly created: boolean }>;
  makeFolder(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  move(from: string, to: string, options?: { readonly overwrite?: boolean }): Promise<void>;
  /**
   * Tells of what changes below the folder until the answer is called. Comes back by itself when
   * the connection was lost.
   */
  watch(folder: string, listener: (change: FileChange) => void): () => void;
}
