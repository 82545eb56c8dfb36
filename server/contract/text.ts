import { z } from 'zod'

/**
 * Characters that change how the text around them is shown: bidirectional marks, embeddings, overrides and isolates (Unicode UAX #9;
 * with them a name can read as another one), invisible spaces, and line and paragraph separators. Joiners stay: scripts and emoji need them.
 */
const DECEIVING = /[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g
/** Control characters; the first form leaves line breaks and tabs. */
const CONTROLS = /[^\P{Cc}\n\t]/gu
const ALL_CONTROLS = /\p{Cc}+/gu

/** What somebody wrote, without characters that a terminal or a page would obey instead of showing. */
export const plainText = (text: string): string =>
  text.toWellFormed().replace(/\r\n?/g, '\n').replace(CONTROLS, '').replace(DECEIVING, '')

/** The same on one line. */
export const plainLine = (text: string): string =>
  text.toWellFormed().replace(ALL_CONTROLS, ' ').replace(DECEIVING, '')

/** One line of text by an operator: 1 to `max` characters once it is plain. */
export const line = (max: number, empty?: string) =>
  z
    .string()
    .max(10_000)
    .overwrite((text) => plainLine(text).trim())
    .min(1, empty)
    .max(max)

/** Text of several lines by an operator. */
export const lines = (max: number, empty?: string) =>
  z
    .string()
    .max(100_000)
    .overwrite((text) => plainText(text).trim())
    .min(1, empty)
    .max(max)

const year2000 = Date.parse('2000-01-01T00:00:00Z')

/** A moment in ISO 8601, from 2000 to `aheadMs` from now: what lies beyond is a slip, and would stand first in every list for ever. */
export const moment = (aheadMs: number) =>
  z.iso.datetime('must be an ISO 8601 time, for example 2026-04-27T18:00:00Z').refine(
    (text) => {
      const at = Date.parse(text)
      return at >= year2000 && at <= Date.now() + aheadMs
    },
    {
      message:
        aheadMs > 60_000
          ? `must lie between the year 2000 and ${Math.round(aheadMs / 86_400_000)} days from now`
          : 'must lie between the year 2000 and now',
    },
  )
