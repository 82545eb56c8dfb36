import { z } from 'zod'
import { isoTime, milliseconds } from '../parts.ts'
import { NODE_KINDS } from '../states.ts'
import { nodeTableSchema } from './node-table.ts'

const guessSchema = z
  .object({
    kind: z.enum(NODE_KINDS),
    preset: z.string().optional(),
    url: z.string().optional().describe('Where it was found, if that is not what was asked'),
    why: z.string().describe('What in the answer says so'),
  })
  .meta({ id: 'ProbeGuess' })
export type ProbeGuess = z.infer<typeof guessSchema>

const choiceSchema = z
  .object({
    at: z.string().describe('JSON Pointer of the value, or the name of the series'),
    value: z.union([z.number(), z.boolean(), z.string()]),
    suggestion: z.string().nullable().describe('The name that it probably is to be mapped to'),
  })
  .meta({ id: 'ProbeChoice' })
export type ProbeChoice = z.infer<typeof choiceSchema>

/** `POST /nodes/probe`: what an adapter makes of a system that is not in the configuration yet. */
export const nodeProbeSchema = z
  .object({
    kind: z.enum(NODE_KINDS).nullable().describe('Null where nothing was recognised'),
    wants: z
      .enum(['password', 'certificate', 'access'])
      .nullable()
      .describe(
        'What it asks of whoever looks, before it answers: `access` where it refuses with 403 and does not say why; null: nothing that is known',
      ),
    guesses: z
      .array(guessSchema)
      .describe('Where no kind was given: everything that it looks like, the likeliest first'),
    reading: z
      .object({
        at: isoTime,
        durationMs: milliseconds,
        outcome: z.string().describe('"ok", or why there is nothing to understand'),
        status: z.number().int().nullable(),
        reason: z.string(),
      })
      .nullable()
      .describe('Null where nothing was asked for lack of a kind'),
    understood: z
      .array(
        z.object({
          name: z.string().describe('As in the map of docs/adapters.md and in /series'),
          label: z.string(),
          value: z.union([z.number(), z.boolean(), z.string()]),
          unit: z.string().nullable(),
        }),
      )
      .describe('What the collector would show and judge'),
    notUnderstood: z.array(z.string()).describe('One sentence for each part that could not be read'),
    problems: z.array(z.string()).describe('What is wrong with it by its own word, one sentence each'),
    choices: z.array(choiceSchema).describe('Values of the answer that could be mapped, at most 200'),
    verbs: z.object({
      drain: z.string().nullable().describe('What taking it out of service would do; null: nobody can'),
      proof: z.enum(['counted', 'none']).describe('Whether a drain could prove that it is empty'),
      words: z.string().describe('Both in one sentence'),
    }),
    tables: z.array(nodeTableSchema),
    entry: z.string().describe('The line for `nodes` of tidegate.yaml; secrets stand as ${NAMES}'),
  })
  .meta({ id: 'NodeProbe' })
export type NodeProbeAnswer = z.infer<typeof nodeProbeSchema>
