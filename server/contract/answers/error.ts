import { z } from 'zod'
import { ERROR_CODES, type ErrorCode } from '../errors.ts'

/** The body of every error answer. */
export const errorBodySchema = z
  .object({
    error: z.object({
      code: z
        .enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]])
        .describe('The promise; branch on it'),
      message: z.string().describe('A sentence for people; it may change'),
      facts: z
        .record(z.string(), z.unknown())
        .describe('What the sentence is made of; docs/errors.md has them by code'),
    }),
  })
  .meta({ id: 'Error' })
