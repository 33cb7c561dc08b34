/** Binary frames of `further-link.3` (`docs/protocol.md` section 10). */

/** Bytes in front of what a frame carries. */
export const FRAME_HEADER_BYTES = 16;

const DATA = 0;
const ACK = 1;
const END = 2;

const INPUT = 0;
const OUTPUT = 1;
const VIDEO = 2;

const STDOUT = 1;
const STDERR = 2;

const TWO_TO_32 = 0x1_0000_0000;

/**
 * What a frame of the device says. `number` is the program, `offset` counts bytes from its start
 * (of video, pictures).
 */
export type ServerFrame =
  | {
      readonly kind: "output";
      readonly stream: "stdout" | "stderr";
      readonly number: number;
      readonly offset: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
    }
  | { readonly kind: "inputAck"; readonly number: number; readonly offset: number }
  | {
      readonly kind: "video";
      readonly number: number;
      readonly offset: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
    };

/**
 * Reads a frame; its bytes are a view, not a copy. Null for what is not known, makes no sense, or
 * counts beyond 2⁵³.
 */
export function decodeFrame(buffer: ArrayBuffer): ServerFrame | null {
  if (buffer.byteLength < FRAME_HEADER_BYTES) return null;
  const head = new DataView(buffer, 0, FRAME_HEADER_BYTES);
  const offset = head.getUint32(8) * TWO_TO_32 + head.getUint32(12);
  const number = head.getUint32(4);
  if (number === 0 || !Number.isSafeInteger(offset) || head.getUint8(3) !== 0) return null;
  const bytes = new Uint8Array(buffer, FRAME_HEADER_BYTES);
  const kind = head.getUint8(0);
  const channel = head.getUint8(1);
  const stream = head.getUint8(2);
  if (kind === DATA && channel === OUTPUT && bytes.length > 0) {
    if (stream !== STDOUT && stream !== STDERR) return null;
    return { kind: "output", stream: stream === STDOUT ? "stdout" : "stderr", number, offset, bytes };
  }
  if (stream !== 0) return null;
  if (kind === DATA && channel === VIDEO && bytes.length > 0) return { kind: "video", number, offset, bytes };
  if (kind === ACK && channel === INPUT && bytes.length === 0) return { kind: "inputAck", number, offset };
  return null;
}

/** Bytes for a program's standard input; `offset` is that of the first one. */
export function inputFrame(number: number, offset: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return frame(DATA, INPUT, number, offset, bytes);
}

/** There is no more input than these `offset` bytes. */
export function inputEndFrame(number: number, offset: number): Uint8Array<ArrayBuffer> {
  return frame(END, INPUT, number, offset);
}

/** Everything in front of `offset` was consumed. */
export function outputAckFrame(number: number, offset: number): Uint8Array<ArrayBuffer> {
  return frame(ACK, OUTPUT, number, offset);
}

function frame(
  kind: number,
  channel: number,
  number: number,
  offset: number,
  bytes?: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(FRAME_HEADER_BYTES + (bytes?.length ?? 0));
  const head = new DataView(whole.buffer);
  head.setUint8(0, kind);
  head.setUint8(1, channel);
  head.setUint32(4, number);
  head.setUint32(8, Math.floor(offset / TWO_TO_32));
  head.setUint32(12, offset % TWO_TO_32);
  if (bytes !== undefined) whole.set(bytes, FRAME_HEADER_BYTES);
  return whole;
}
