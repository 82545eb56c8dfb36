import { z } from 'zod'

/** ISO 8601 or epoch milliseconds; answered as epoch milliseconds. */
export const timeParameter = z
  .string()
  .max(40)
  .meta({ description: 'ISO 8601 time, or epoch milliseconds', examples: ['2026-04-27T18:00:00Z'] })
  .transform((text, issues) => {
    const value = /^\d{10,16}$/.test(text)
      ? Number(text)
      : /^\d{4}-\d\d-\d\d/.test(text)
        ? Date.parse(text)
        : Number.NaN
    if (!Number.isFinite(value) || Math.abs(value) > 8.64e15) {
      issues.addIssue({
        code: 'custom',
        message: 'must be an ISO 8601 time, for example 2026-04-27T18:00:00Z',
      })
      return z.NEVER
    }
    return value
  })

/** Words between commas. */
export const listParameter = z
  .string()
  .max(2_000)
  .meta({ description: 'One or more, separated by commas' })
  .transform((text) =>
    text
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  )

/** A whole number from 1 to `max` as the query writes it. */
export const numberParameter = (max?: number) => {
  const number = z.coerce
    .number('must be a number')
    .int('must be a whole number')
    .min(1, 'must be at least 1')
  return (max === undefined ? number : number.max(max, `must be at most ${max}`)).meta({
    override: { type: 'integer', minimum: 1, ...(max === undefined ? {} : { maximum: max }) },
  })
}

export const flagParameter = z
  .enum(['true', 'false'], 'must be true or false')
  .transform((text) => text === 'true')

export const pageParameters = {
  limit: numberParameter(1_000).describe('Items of a page; default 100').optional(),
  cursor: z.string().max(500).describe('`nextCursor` of the page before').optional(),
}

export const pageQuery = z.object(pageParameters).strict()
/** The id of a region or node in a query. */
export const idParameter = z.string().max(63).describe('Only of the region or node of this id')
