import type { StreamPosition } from '../adapter.ts'

/** The first frame of every connection: the node's present run, and what of it can still be had. */
export interface Hello {
  epoch: string
  /** Its newest event; 0 before the first. */
  newest: number
  /** The oldest event that it still has. */
  oldest: number
}

const MAX_EPOCH = 64

const isSeq = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const isEpoch = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= MAX_EPOCH

/** One frame of `WS /events`, not yet believed; null where it is no JSON object. */
export const parseFrame = (text: string): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

/** Null where the frame does not say which run of the node it greets for. */
export const readHello = ({ epoch, seq, oldest }: Record<string, unknown>): Hello | null =>
  isEpoch(epoch) && isSeq(seq) ? { epoch, newest: seq, oldest: isSeq(oldest) ? oldest : 1 } : null

/** The position that an event gives for itself; null where it gives none. */
export const placeOf = (raw: unknown): StreamPosition | null => {
  if (typeof raw !== 'object' || raw === null) return null
  const { epoch, seq } = raw as Record<string, unknown>
  return isEpoch(epoch) && isSeq(seq) ? { epoch, seq } : null
}
