import type { Fleet } from '../fleet/fleet.ts'

const MIN_PATIENCE_MS = 10_000

/**
 * Answers the nodes that say in their health that they have more events than were read of them, for longer than two intervals:
 * a stream can be open and silent. Asked once a second.
 */
export const createBehind = (fleet: Pick<Fleet, 'members'>, pollIntervalMs: number): (() => string[]) => {
  const patienceMs = Math.max(MIN_PATIENCE_MS, 2 * pollIntervalMs)
  const since = new Map<string, { at: number; seq: number }>()
  return () => {
    const now = performance.now()
    const late: string[] = []
    const members = fleet.members()
    for (const id of since.keys()) if (!members.some((node) => node.id === id)) since.delete(id)
    for (const { id, reading, facts, stream } of members) {
      const position = stream?.position ?? null
      const newest = facts?.newestSeq ?? null
      // Nothing stands still of a node that has no events to tell.
      const answers = reading?.outcome === 'ok' && newest !== null && stream !== null
      const read = position !== null && position.epoch === facts?.epoch ? position.seq : -1
      const isBehind = answers && (stream.state !== 'live' || read < newest)
      const before = since.get(id)
      // What is read slowly, but read, does not stand still.
      if (!isBehind || (before && read > before.seq)) since.delete(id)
      if (!isBehind) continue
      const began = since.get(id) ?? { at: now, seq: read }
      since.set(id, began)
      if (now - began.at > patienceMs) late.push(id)
    }
    return late
  }
}
