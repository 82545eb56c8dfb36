import { AppError } from '../contract/errors.ts'

/** Epoch milliseconds of an ISO 8601 time. Throws `ERR_INVALID` where it is not one. */
export const epochMs = (time: string): number => {
  const value = Date.parse(time)
  if (Number.isNaN(value)) {
    throw new AppError('ERR_INVALID', `"${time}" is not a time; for example 2026-04-27T18:00:00Z`, {
      problems: [{ path: 'time', message: 'must be an ISO 8601 time' }],
    })
  }
  return value
}

export const isoTime = (value: unknown): string => new Date(Number(value)).toISOString()

export const isoTimeOrNull = (value: unknown): string | null =>
  value === null || value === undefined ? null : isoTime(value)
