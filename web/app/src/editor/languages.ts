/**
 * Which language a file is in, by its name. Python comes with the page, the others when they are
 * needed.
 */

import { python } from "@codemirror/lang-python";
import { LanguageSupport, StreamLanguage, type StreamParser } from "@codemirror/language";

type Load = () => Promise<LanguageSupport>;

const legacy = (load: () => Promise<StreamParser<unknown>>): Load => {
  return async () => new LanguageSupport(StreamLanguage.define(await load()));
};

const javascript =
  (options: { typescript?: boolean; jsx?: boolean }): Load =>
  async () =>
    (await import("@codemirror/lang-javascript")).javascript(options);
const html: Load = async () => (await import("@codemirror/lang-html")).html();
const xml = legacy(async () => (await import("@codemirror/legacy-modes/mode/xml")).xml);
const css: Load = legacy(async () => (await import("@codemirror/legacy-modes/mode/css")).css);
const json: Load = async () => (await import("@codemirror/lang-json")).json();
const markdown: Load = async () => (await import("@codemirror/lang-markdown")).markdown();
const cpp: Load = async () => (await import("@codemirror/lang-cpp")).cpp();
const java: Load = async () => (await import("@codemirror/lang-java")).java();
const go: Load = async () => (await import("@codemirror/lang-go")).go();
const rust: Load = async () => (await import("@codemirror/lang-rust")).rust();
const php: Load = async () => (await import("@codemirror/lang-php")).php();
const ruby = legacy(async () => (await import("@codemirror/legacy-modes/mode/ruby")).ruby);
const perl = legacy(async () => (await import("@codemirror/legacy-modes/mode/perl")).perl);
const lua = legacy(async () => (await import("@codemirror/legacy-modes/mode/lua")).lua);
const shell = legacy(async () => (await import("@codemirror/legacy-modes/mode/shell")).shell);
const toml = legacy(async () => (await import("@codemirror/legacy-modes/mode/toml")).toml);
const yaml = legacy(async () => (await import("@codemirror/legacy-modes/mode/yaml")).yaml);
const properties = legacy(async () => (await import("@codemirror/legacy-modes/mode/properties")).properties);

const byExtension: Readonly<Record<string, Load>> = {
  js: javascript({}),
  mjs: javascript({}),
  cjs: javascript({}),
  jsx: javascript({ jsx: true }),
  ts: javascript({ typescript: true }),
  mts: javascript({ typescript: true }),
  tsx: javascript({ typescript: true, jsx: true }),
  html,
  htm: html,
  svg: xml,
  xml,
  css,
  json,
  md: markdown,
  markdown,
  c: cpp,
  h: cpp,
  cc: cpp,
  cpp,
  cxx: cpp,
  hpp: cpp,
  ino: cpp,
  java,
  go,
  rs: rust,
  php,
  rb: ruby,
  pl: perl,
  pm: perl,
  lua,
  sh: shell,
  bash: shell,
  zsh: shell,
  toml,
  yaml,
  yml: yaml,
  ini: properties,
  cfg: properties,
  conf: properties,
};

const byName: Readonly<Record<string, Load>> = {
  ".bashrc": shell,
  ".profile": shell,
  ".bash_profile": shell,
};

/** The first line may say what runs a file without an extension. */
const byProgram: readonly (readonly [RegExp, Load | "python"])[] = [
  [/^#!.{0,80}\bpython/, "python"],
  [/^#!.{0,80}\b(?:ba|z|da)?sh\b/, shell],
  [/^#!.{0,80}\bnode\b/, javascript({})],
  [/^#!.{0,80}\bperl\b/, perl],
  [/^#!.{0,80}\bruby\b/, ruby],
  [/^#!.{0,80}\bphp\b/, php],
  [/^#!.{0,80}\blua/, lua],
];

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

export function isPython(name: string, firstLine: string): boolean {
  if (/\.pyw?i?$/i.test(name)) return true;
  return !/.\./.test(name) && byProgram[0]![0].test(firstLine);
}

/** The language at once if it is here already, or how to get it; null for plain text. */
export function languageOf(name: string, firstLine: string): LanguageSupport | Load | null {
  if (isPython(name, firstLine)) return python();
  const dot = name.lastIndexOf(".");
  if (dot > 0) return own(byExtension, name.slice(dot + 1).toLowerCase()) ?? null;
  const known = own(byName, name);
  if (known !== undefined) return known;
  const program = byProgram.find(([pattern]) => pattern.test(firstLine))?.[1] ?? null;
  return program === "python" ? python() : program;
}
