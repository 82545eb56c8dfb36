import { z } from 'zod'
import { authFields, drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'

const status = z.number().int().min(200).max(599)

/** What an answer has to be like. */
const expectSchema = z
  .object({
    status: z
      .union([status, z.array(status).min(1).max(32)], 'must be a status, or a list of them, for example 200')
      .optional()
      .meta({ description: 'The status, or any of several; default any 2xx', examples: [200, [200, 401]] }),
    body: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({ description: 'Text that stands in the first 64 KiB of the body', examples: ['ok'] }),
    headers: z
      .record(
        z
          .string()
          .max(64)
          .regex(/^[A-Za-z0-9_-]+$/, 'must be the name of a header, for example x-region'),
        z.string().max(256),
      )
      .refine((headers) => Object.keys(headers).length <= 16, 'must have at most 16 headers')
      .optional()
      .meta({
        description: 'Headers and their values; another value is the wrong region',
        examples: [{ 'x-region': 'fra' }],
      }),
  })
  .strict()
export type HttpExpect = z.infer<typeof expectSchema>

/** Any page or call over HTTP, seen from outside. */
export const httpEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('http').meta({ description: 'A page or call over HTTP', examples: ['http'] }),
    url: httpUrl.meta({
      description: 'The whole address that is asked, with path and query',
      examples: ['https://www.example.com/login'],
    }),
    method: z
      .enum(['GET', 'HEAD'])
      .optional()
      .meta({ description: 'How it is asked; default GET', examples: ['HEAD'] }),
    expect: expectSchema.optional().meta({
      description: 'What the answer has to be like; default any 2xx',
      examples: [{ status: 200, body: 'ok' }],
    }),
    ...authFields,
    ...tlsFields,
    ...drainFields,
  })
  .strict()
  .refine(({ method, expect }) => method !== 'HEAD' || expect?.body === undefined, {
    message: 'must not stand beside method HEAD, whose answers have no body; use GET',
    path: ['expect', 'body'],
  })
