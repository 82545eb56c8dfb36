/**
 * When each topic changed last, by number of the sequence. Bounded: the marks that are oldest go, and of a topic without one it is
 * assumed that it changed at the newest mark that went. So a client that comes back may get a snapshot too many, never one too few.
 */
export class ChangeMarks {
  readonly #max: number
  readonly #marks = new Map<string, number>()
  #evicted = 0

  constructor(max: number) {
    this.#max = max
  }

  set(topic: string, seq: number): void {
    // Put in anew, so that the map stays in the order of the numbers.
    this.#marks.delete(topic)
    this.#marks.set(topic, seq)
    while (this.#marks.size > this.#max) {
      const [oldest, at] = this.#marks.entries().next().value as [string, number]
      this.#marks.delete(oldest)
      this.#evicted = at
    }
  }

  isAfter(topic: string, seq: number): boolean {
    return (this.#marks.get(topic) ?? this.#evicted) > seq
  }
}
