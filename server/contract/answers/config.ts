import { z } from 'zod'
import { isoTime } from '../parts.ts'

/** One mistake of a configuration: where, and what to write instead. */
export const configProblemSchema = z
  .object({
    path: z.string().describe('For example `nodes[1].url`'),
    message: z.string(),
  })
  .meta({ id: 'ConfigProblem' })

/** `GET /config`. */
export const configInForceSchema = z
  .object({
    path: z.string().nullable().describe('The file; null while the demo fleet runs'),
    loadedAt: isoTime.describe('When what is in force was read'),
    config: z
      .unknown()
      .describe('What is in force, defaults included and secrets redacted; null in the demo'),
    refused: z
      .object({ at: isoTime, problems: z.array(configProblemSchema) })
      .nullable()
      .describe('Why the file as it is now was not put in force; null where it was'),
    needsRestart: z
      .array(z.string())
      .describe('Keys of the file that differ from what is in force until the next start'),
  })
  .meta({ id: 'ConfigInForce' })
export type ConfigInForceAnswer = z.infer<typeof configInForceSchema>

/** `POST /config/check`. */
export const configCheckSchema = z
  .object({ ok: z.boolean(), problems: z.array(configProblemSchema) })
  .meta({ id: 'ConfigCheck' })

/** What is checked: a whole file, as text. */
export const configCheckRequestSchema = z
  .object({ text: z.string().max(1_000_000).describe('The file, as YAML') })
  .strict()
  .meta({
    description: 'A configuration to check',
    examples: [
      {
        text: 'regions:\n  - id: fra\nnodes:\n  - { id: fra-1, region: fra, url: "http://10.0.0.7:9460" }\n',
      },
    ],
  })
