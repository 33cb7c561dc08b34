/** The sounds that a program plays. */

import { signal } from "@preact/signals";
import type { Sound } from "further-link";

/** Sounds that are heard together; further ones are left out. */
const SOUNDS_PLAYING_MAX = 32;

/** Seconds in which a tone comes up and fades: without, it begins and ends with a click. */
const FADE_SECONDS = 0.005;

/** One for the page: browsers permit few. Made with the first sound. */
let audioContext: AudioContext | null = null;

export class Sounds {
  readonly #playing = signal(0);
  readonly #muted = signal(false);
  readonly #blocked = signal(false);
  readonly #last = signal<Sound | null>(null);
  readonly #sources = new Set<AudioScheduledSourceNode>();

  /** How many are heard now. */
  get playing(): number {
    return this.#playing.value;
  }

  get muted(): boolean {
    return this.#muted.value;
  }

  /** The browser lets the page make no sound before the person has pressed something on it. */
  get blocked(): boolean {
    return this.#blocked.value;
  }

  /** The sound that came last. */
  get last(): Sound | null {
    return this.#last.value;
  }

  /** Plays a sound at once, unless it is muted or the browser does not let it. */
  async play(sound: Sound): Promise<void> {
    this.#last.value = sound;
    if (this.#muted.peek() || this.#sources.size >= SOUNDS_PLAYING_MAX) return;
    audioContext ??= new AudioContext();
    const context = audioContext;
    if (context.state !== "running") {
      // Settles only once the person has pressed something, if the browser asks for that.
      this.#blocked.value = true;
      void this.unblock();
      return;
    }
    const source = await sourceOf(context, sound).catch(() => null);
    if (source === null || this.#muted.peek()) return;
    this.#sources.add(source);
    this.#playing.value = this.#sources.size;
    source.addEventListener("ended", () => {
      this.#sources.delete(source);
      this.#playing.value = this.#sources.size;
    });
    source.start();
    if (sound.kind === "tone") source.stop(context.currentTime + sound.duration);
  }

  /** Asks the browser to let the page be heard. */
  async unblock(): Promise<void> {
    await audioContext?.resume();
    this.#blocked.value = audioContext?.state === "suspended";
  }

  mute(muted: boolean): void {
    this.#muted.value = muted;
    if (muted) this.clear();
  }

  /** Ends what is heard now. */
  clear(): void {
    for (const source of this.#sources) source.stop();
  }
}

/** Returns a source that is connected to the loudspeaker and not started yet. */
async function sourceOf(context: AudioContext, sound: Sound): Promise<AudioScheduledSourceNode> {
  const gain = new GainNode(context, { gain: sound.volume });
  gain.connect(context.destination);
  if (sound.kind === "wav") {
    const buffer = await context.decodeAudioData(sound.bytes.buffer);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(gain);
    return source;
  }
  const now = context.currentTime;
  const end = now + sound.duration;
  gain.gain.setValueAtTime(0, now);
  gain.gain.linearRampToValueAtTime(sound.volume, now + Math.min(FADE_SECONDS, sound.duration / 2));
  gain.gain.setValueAtTime(sound.volume, Math.max(now, end - FADE_SECONDS));
  gain.gain.linearRampToValueAtTime(0, end);
  const source = new OscillatorNode(context, { frequency: sound.frequency });
  source.connect(gain);
  return source;
}
