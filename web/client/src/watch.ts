/** What changes below a folder (`docs/protocol.md` section 12, "Watching"). */

import type { Address } from "./address.js";
import { listen } from "./event-stream.js";
import { isObject } from "./messages.js";
import type { FileChange } from "./types.js";

/** `path` is the folder's address. */
export function watchFolder(address: Address, path: string, listener: (change: FileChange) => void): () => void {
  const stop = listen(
    address,
    path,
    { watch: "" },
    {
      opened: () => listener({ kind: "overflow" }),
      event: (name, data) => {
        const change = changeOf(name, data);
        if (change === null) return;
        // The device has nothing more to say, and would answer the next try with 404.
        if (change.kind === "gone") stop();
        listener(change);
      },
      refused: () => listener({ kind: "gone" }),
    },
  );
  return stop;
}

function changeOf(name: string, text: string): FileChange | null {
  if (name === "overflow" || name === "gone") return { kind: name };
  if (name !== "change") return null;
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(data) || typeof data.path !== "string") return null;
  const { path, kind, from } = data;
  const directory = data.directory === true;
  const etag = typeof data.etag === "string" ? data.etag : null;
  if (kind === "created" || kind === "changed") return { kind, path, directory, etag };
  if (kind === "deleted") return { kind, path, directory };
  if (kind === "moved" && typeof from === "string") return { kind, path, from, directory, etag };
  return null;
}
