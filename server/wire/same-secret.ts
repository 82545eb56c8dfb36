import { createHash, timingSafeEqual } from 'node:crypto'

/** Compares digests and other values of a known length, without telling by its time where they differ. */
export const sameBytes = (given: Uint8Array, wanted: Uint8Array): boolean =>
  given.length === wanted.length && timingSafeEqual(given, wanted)

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Compares hashes, so that neither content nor length of the secret shows in the time it takes. */
export const sameSecret = (given: string, wanted: string): boolean => sameBytes(hashOf(given), hashOf(wanted))
