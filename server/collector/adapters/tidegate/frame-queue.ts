/** What waits for its turn: a frame as it came, one that was larger than any may be, or a hole to be filled over HTTP. */
export type Frame = { text: string } | { tooLarge: true } | { fillTo: number }

/** What may wait while a hole is being filled or the store is slow. Beyond it the socket is not read: the node's ring holds the rest. */
const MAX_FRAMES = 2_000
const MAX_BYTES = 1_048_576
/** Taken frames are cut off the front in such pieces: one by one would move the whole array each time. */
const CUT = 512

/** Frames in the order in which they came. Those in hand count until they are `done`. */
export class FrameQueue {
  #waiting: Frame[] = []
  #next = 0
  #frames = 0
  #bytes = 0

  /** Frames that wait or are in hand. */
  get length(): number {
    return this.#frames
  }

  get isEmpty(): boolean {
    return this.#next === this.#waiting.length
  }

  get isFull(): boolean {
    return this.#frames >= MAX_FRAMES || this.#bytes >= MAX_BYTES
  }

  /** Half empty: a socket that was paused at the ceiling would otherwise stop and go with every frame. */
  get hasRoom(): boolean {
    return this.#frames <= MAX_FRAMES / 2 && this.#bytes <= MAX_BYTES / 2
  }

  push(frame: Frame): void {
    this.#waiting.push(frame)
    this.#frames += 1
    this.#bytes += bytesOf(frame)
  }

  /** The oldest, to be worked on; null where none waits. */
  take(): Frame | null {
    const frame = this.#waiting[this.#next]
    if (frame === undefined) return null
    this.#next += 1
    if (this.isEmpty || this.#next >= CUT) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#next = 0
    }
    return frame
  }

  /** The work on this one has ended. */
  done(frame: Frame): void {
    this.#frames -= 1
    this.#bytes -= bytesOf(frame)
  }

  clear(): void {
    this.#waiting = []
    this.#next = 0
    this.#frames = 0
    this.#bytes = 0
  }
}

const bytesOf = (frame: Frame): number => ('text' in frame ? frame.text.length : 0)
