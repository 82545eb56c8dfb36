interface Seen {
  run: string
  at: number
  count: number
}

/**
 * Counts how often something was seen to come in, of programs that say when it last did but not how much: at least so much was received in
 * this run.
 */
export class Intake {
  readonly #seen = new Map<string, Seen>()

  /**
   * @param run of the process; another one counts from the beginning
   * @param at when something last came in by the program's clock, epoch ms
   */
  countOf(id: string, run: string, at: number): number {
    const before = this.#seen.get(id)
    const isSameRun = before?.run === run
    const count = isSameRun ? before.count + (at > before.at ? 1 : 0) : 0
    this.#seen.set(id, { run, at, count })
    return count
  }

  forget(id: string): void {
    this.#seen.delete(id)
  }
}
