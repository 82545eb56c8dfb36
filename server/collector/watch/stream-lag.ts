import type { Fleet } from '../fleet/fleet.ts'

const MIN_PATIENCE_MS = 10_000

/** Notices nodes whose event streams are open and silent. */
export class StreamLag {
  readonly #fleet: Pick<Fleet, 'members'>
  readonly #since = new Map<string, { at: number; seq: number }>()

  constructor(fleet: Pick<Fleet, 'members'>) {
    this.#fleet = fleet
  }

  /**
   * Nodes that say in their health that they have more events than were read of them, for longer than two of their intervals. To be
   * asked once a second.
   */
  behind(): string[] {
    const now = performance.now()
    const late: string[] = []
    const members = this.#fleet.members()
    for (const id of this.#since.keys()) if (!members.some((node) => node.id === id)) this.#since.delete(id)
    for (const { id, reading, facts, stream, intervalMs } of members) {
      const position = stream?.position ?? null
      const newest = facts?.newestSeq ?? null
      // A stream without new events is not lagging.
      const answers = reading?.outcome === 'ok' && newest !== null && stream !== null
      const read = position !== null && position.epoch === facts?.epoch ? position.seq : -1
      const isBehind = answers && (stream.state !== 'live' || read < newest)
      const before = this.#since.get(id)
      // A stream that is read slowly, but read, is not stuck.
      if (!isBehind || (before && read > before.seq)) this.#since.delete(id)
      if (!isBehind) continue
      const began = this.#since.get(id) ?? { at: now, seq: read }
      this.#since.set(id, began)
      if (now - began.at > Math.max(MIN_PATIENCE_MS, 2 * intervalMs)) late.push(id)
    }
    return late
  }
}
