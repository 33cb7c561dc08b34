import { effect } from "@preact/signals";
import { references } from "../editor/tracebacks";
import { open as openFile, pathOf } from "../files/workspace";
import { isOver, type Run, runs } from "../run/runs";
import { t } from "../text";
import { notify } from "../ui/notices";
import type { LineLink } from "./links";
import { TerminalSession } from "./session";
import { TerminalPanel } from "./TerminalPanel";

/**
 * The terminals of the runs, each as long as its tab is there: its text stays when the page is laid
 * out anew.
 */
const sessions = new Map<Run, TerminalSession>();

effect(() => {
  const there = new Set(runs.value);
  for (const [run, session] of sessions) {
    if (there.has(run)) continue;
    sessions.delete(run);
    session.dispose();
  }
});

/** The terminal of a run; made when it is asked for first. */
function sessionOf(run: Run): TerminalSession {
  const known = sessions.get(run);
  if (known !== undefined) return known;
  const session = new TerminalSession(run.program, () => t("terminalOf", { title: run.title }), {
    linksOf: fileLinks,
    inPage: true,
  });
  sessions.set(run, session);
  run.output.attach(({ bytes }) => session.output(bytes));
  const end = () => session.end();
  if (isOver(run.state.peek())) end();
  else void run.program.ended.then(end);
  return session;
}

/** A run in a terminal. */
export function TerminalView({ run, active }: { readonly run: Run; readonly active: boolean }) {
  return <TerminalPanel session={sessionOf(run)} active={active} name={run.title} notify={notify} />;
}

/** The places in files of the work folder that a line names. */
function fileLinks(line: string): LineLink[] {
  return references(line).flatMap(({ start, end, path, line: row }) => {
    const below = pathOf(path);
    return below === null
      ? []
      : [{ start, end, activate: () => openFile(below, row).catch((error: Error) => notify(error.message, "bad")) }];
  });
}
