import type { EventLog } from '../events/event-log.ts'
import { invalid } from './call.ts'

/** Where a reader of events continues. */
export interface EventCursor {
  /** Seq after which reading goes on. */
  after: number
  /** Present where something is missing: seqs of this epoch that the ring no longer has (`to` below `from`: only another epoch's end is unknown). */
  gap: { from: number; to: number } | null
}

/**
 * Reads `after=EPOCH:SEQ`. Absent: everything in the ring. Of another epoch, or older than the ring: everything, and a gap says
 * so. Throws `ERR_INVALID` for what is neither.
 */
export const readEventCursor = (text: string | null, log: EventLog): EventCursor => {
  const oldest = log.oldest
  if (text === null) return { after: oldest - 1, gap: null }
  const match = /^([0-9A-Za-z]{1,64}):(\d{1,15})$/.exec(text)
  if (match === null)
    throw invalid('after', 'must be EPOCH:SEQ as in the last event, for example 01JABC…:4711')
  const seq = Number(match[2])
  if (match[1] !== log.epoch) return { after: oldest - 1, gap: { from: 1, to: oldest - 1 } }
  if (seq + 1 < oldest) return { after: oldest - 1, gap: { from: seq + 1, to: oldest - 1 } }
  return { after: Math.min(seq, log.seq), gap: null }
}
