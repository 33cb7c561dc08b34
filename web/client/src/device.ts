/** What the device is and how it does, its runners, and projects for it. */

import type { Address } from "./address.js";
import { FilesError } from "./errors.js";
import { listen } from "./event-stream.js";
import { answerFailure, unreachable } from "./http.js";
import { isObject } from "./messages.js";
import type { Device, Project, Runner, Uploaded } from "./types.js";

type Data = Readonly<Record<string, unknown>>;

export async function runners(address: Address): Promise<readonly Runner[]> {
  const answer = await ask(address, "runners");
  if (!Array.isArray(answer.runners)) throw new FilesError(0, "The device's answer makes no sense.");
  return answer.runners.map(runnerOf).filter((runner) => runner !== null);
}

export async function device(address: Address): Promise<Device> {
  const found = deviceOf(await ask(address, "device"));
  if (found === null) throw new FilesError(0, "The device's answer makes no sense.");
  return found;
}

export function watchDevice(address: Address, listener: (device: Device | null) => void): () => void {
  return listen(
    address,
    "device",
    { watch: "" },
    {
      opened: () => {},
      event: (name, text) => {
        if (name !== "device") return;
        let data: unknown;
        try {
          data = JSON.parse(text);
        } catch {
          return;
        }
        const found = isObject(data) ? deviceOf(data) : null;
        if (found !== null) listener(found);
      },
      refused: () => listener(null),
    },
  );
}

export async function upload(address: Address, project: Project): Promise<Uploaded> {
  const files: Record<string, unknown> = Object.create(null);
  for (const [name, file] of Object.entries(project.files)) {
    files[name] =
      "text" in file
        ? { type: "text", content: { text: file.text } }
        : { type: "url", content: { url: file.url, bucketName: file.bucketName, fileName: file.fileName } };
  }
  const { name, username } = project;
  const body = JSON.stringify({ name, ...(username === undefined ? {} : { username }), files });
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(address, "upload", { method: "POST", headers, body });
  return { fetchedUrls: answer.fetched_urls !== false };
}

async function ask(address: Address, path: string, init: RequestInit = {}): Promise<Data> {
  let response: Response;
  let text: string;
  try {
    response = await address.fetch(address.url(path), init);
    text = await response.text();
  } catch (error) {
    throw unreachable(error);
  }
  if (!response.ok) throw answerFailure(response.status, text, null);
  try {
    const answer: unknown = JSON.parse(text);
    if (isObject(answer)) return answer;
  } catch {
    // Told below.
  }
  throw new FilesError(0, "The device's answer makes no sense.");
}

function runnerOf(value: unknown): Runner | null {
  if (!isObject(value) || typeof value.name !== "string") return null;
  return {
    name: value.name,
    title: typeof value.title === "string" ? value.title : value.name,
    extension: typeof value.extension === "string" ? value.extension : "",
    installed: value.installed === true,
  };
}

/** Null if it is no device. What is missing in it is null, or 0 where there is always something. */
function deviceOf(data: Data): Device | null {
  if (typeof data.name !== "string" || typeof data.version !== "string") return null;
  const cpu = isObject(data.cpu) ? data.cpu : {};
  const memory = isObject(data.memory) ? data.memory : {};
  const disk = isObject(data.disk) ? data.disk : {};
  const battery = isObject(data.battery) ? data.battery : {};
  const [total, available, size, free, level] = [
    numberOf(memory.total),
    numberOf(memory.available),
    numberOf(disk.total),
    numberOf(disk.free),
    numberOf(battery.level),
  ];
  return {
    name: data.name,
    model: textOf(data.model),
    version: data.version,
    system: textOf(data.system),
    architecture: textOf(data.architecture),
    uptime: numberOf(data.uptime),
    cpu: { count: numberOf(cpu.count) ?? 1, load: numberOf(cpu.load) },
    memory: total === null || available === null ? null : { total, available },
    disk: size === null || free === null ? null : { total: size, free },
    temperature: numberOf(data.temperature),
    battery: level === null ? null : { level, charging: battery.charging === true },
    programs: numberOf(data.programs) ?? 0,
  };
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
