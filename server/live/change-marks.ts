/**
 * When each topic last changed, by sequence number. Bounded: the oldest marks are dropped, and a topic without a mark counts as changed
 * at the newest mark that was dropped. So a client that comes back may get a snapshot too many, never one too few.
 */
export class ChangeMarks {
  readonly #max: number
  readonly #marks = new Map<string, number>()
  #evicted = 0

  constructor(max: number) {
    this.#max = max
  }

  set(topic: string, seq: number): void {
    // Inserted again, so that the map stays in the order of the numbers.
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
