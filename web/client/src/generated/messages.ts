// Made of docs/asyncapi.yaml by `npm run generate`; a test fails when it is stale.

export type AnsweredProcess = ProcessName | null;

export type BadUploadData = { readonly message: "Bad upload"; readonly detail?: UploadDetail };

export type Base64 = string;

export type ClientId = string;

export type Detail = string;

export type ExitCode = number;

export type FailedStartData = { readonly message: string };

export type Feature = "figure" | "plot" | "widget" | "sound" | "start";

export type FrameDetail = string;

export type IgnoredClientId = string;

export type KeyeventData = { readonly key: string; readonly event: "keydown" | "keyup" };

export type KeyeventDetail = string;

export type KeylistenData = { readonly output: string; readonly key: string };

export type MessageExceptionData = { readonly message: "Message Exception"; readonly detail?: string };

export type NovncOptions = { readonly enabled: boolean; readonly width?: number; readonly height?: number };

export type OutputData = { readonly output: string };

export type PlotData = { readonly name: string; readonly series: readonly ({ readonly name: string; readonly x: readonly (number)[]; readonly y: readonly (number | null)[] })[]; readonly clear?: boolean; readonly window?: number };

export type ProcessName = string;

export type RunDetail = Detail | KeyeventDetail | string;

export type RunError = { readonly type: "error"; readonly data: RunErrorData; readonly client: ClientId; readonly process: AnsweredProcess };

export type RunErrorData = { readonly message: "Bad message"; readonly detail?: RunDetail } | FailedStartData | MessageExceptionData | BadUploadData;

export type RunFigure = { readonly type: "figure"; readonly data: { readonly id: string; readonly figure: number; readonly title: string; readonly format: "png" | "svg"; readonly width: number; readonly height: number; readonly closed: boolean; readonly image: Base64 | null }; readonly client: ClientId; readonly process: ProcessName };

export type RunFigureevent = { readonly type: "figureevent"; readonly data: { readonly id: string; readonly event: "close" }; readonly client?: IgnoredClientId; readonly process: ProcessName };

export type RunHello = { readonly type: "hello"; readonly data: { readonly features: readonly (Feature)[] }; readonly client?: IgnoredClientId; readonly process?: null };

export type RunHelloAnswer = { readonly type: "hello"; readonly data: { readonly version: string; readonly features: readonly (Feature)[] }; readonly client: ClientId; readonly process: null };

export type RunKeyevent = { readonly type: "keyevent"; readonly data: KeyeventData; readonly client?: IgnoredClientId; readonly process: ProcessName };

export type RunKeylisten = { readonly type: "keylisten"; readonly data: KeylistenData; readonly client: ClientId; readonly process: ProcessName };

export type RunNovnc = { readonly type: "novnc"; readonly data: { readonly port: number; readonly path: string }; readonly client: ClientId; readonly process: ProcessName };

export type RunPing = { readonly type: "ping"; readonly data?: null; readonly client?: IgnoredClientId; readonly process?: null };

export type RunPlot = { readonly type: "plot"; readonly data: PlotData; readonly client: ClientId; readonly process: ProcessName };

export type RunPong = { readonly type: "pong"; readonly data: null; readonly client: ClientId; readonly process: null };

export type RunResize = { readonly type: "resize"; readonly data: { readonly rows: number; readonly cols: number }; readonly client?: IgnoredClientId; readonly process: ProcessName };

export type RunSound = { readonly type: "sound"; readonly data: SoundData; readonly client: ClientId; readonly process: ProcessName };

export type RunStart = { readonly type: "start"; readonly data: { readonly runner: string; readonly code?: string; readonly path?: string; readonly arguments?: readonly (string)[]; readonly pty?: boolean; readonly rows?: number; readonly cols?: number; readonly novncOptions?: NovncOptions; readonly directoryName?: string }; readonly client?: IgnoredClientId; readonly process: ProcessName };

export type RunStarted = { readonly type: "started"; readonly data: null; readonly client: ClientId; readonly process: ProcessName };

export type RunStderr = { readonly type: "stderr"; readonly data: OutputData; readonly client: ClientId; readonly process: ProcessName };

export type RunStdin = { readonly type: "stdin"; readonly data: StdinData; readonly client?: IgnoredClientId; readonly process: ProcessName };

export type RunStdout = { readonly type: "stdout"; readonly data: OutputData; readonly client: ClientId; readonly process: ProcessName };

export type RunStop = { readonly type: "stop"; readonly data?: null; readonly client?: IgnoredClientId; readonly process: ProcessName };

export type RunStopped = { readonly type: "stopped"; readonly data: StoppedData; readonly client: ClientId; readonly process: ProcessName };

export type RunVideo = { readonly type: "video"; readonly data: VideoData; readonly client: ClientId; readonly process: ProcessName };

export type RunWidget = { readonly type: "widget"; readonly data: WidgetData; readonly client: ClientId; readonly process: ProcessName };

export type RunWidgetevent = { readonly type: "widgetevent"; readonly data: { readonly id: string; readonly event: "press" | "release" | "change"; readonly value?: number | boolean | { readonly x: number; readonly y: number } }; readonly client?: IgnoredClientId; readonly process: ProcessName };

export type SoundData = { readonly volume: number; readonly frequency: number | null; readonly duration: number | null; readonly audio: Base64 | null };

export type StdinData = { readonly input: string };

export type StoppedData = { readonly exitCode: ExitCode };

export type StreamDetail = RunDetail | FrameDetail;

export type StreamError = { readonly type: "error"; readonly data: StreamErrorData; readonly client: ClientId; readonly process: AnsweredProcess };

export type StreamErrorData = { readonly message: "Bad message"; readonly detail?: StreamDetail } | FailedStartData | MessageExceptionData | BadUploadData;

export type StreamStarted = { readonly type: "started"; readonly data: { readonly number: number }; readonly client: ClientId; readonly process: ProcessName };

export type StreamStopped = { readonly type: "stopped"; readonly data: { readonly exitCode: ExitCode; readonly output: number }; readonly client: ClientId; readonly process: ProcessName };

export type UploadDetail = string;

export type VideoData = { readonly output: Base64 };

export type WidgetData = { readonly id: string; readonly kind: string; readonly label?: string; readonly removed?: boolean };

export type ClientPayload =
  | RunFigureevent
  | RunHello
  | RunKeyevent
  | RunPing
  | RunResize
  | RunStart
  | RunStdin
  | RunStop
  | RunWidgetevent;

export type ServerPayload =
  | RunError
  | RunFigure
  | RunHelloAnswer
  | RunKeylisten
  | RunNovnc
  | RunPlot
  | RunPong
  | RunSound
  | RunStarted
  | RunStderr
  | RunStdout
  | RunStopped
  | RunVideo
  | RunWidget
  | StreamError
  | StreamStarted
  | StreamStopped;
