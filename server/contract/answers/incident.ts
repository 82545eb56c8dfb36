import { z } from 'zod'
import { isoTime, pageSchema } from '../parts.ts'
import { INCIDENT_STATES, SEVERITIES } from '../states.ts'

export const signalSchema = z
  .object({
    kind: z.string(),
    scope: z.string().describe('For example "node:fra-1" or "region:fra"'),
    openedAt: isoTime,
    closedAt: isoTime.optional(),
    sentence: z.string().describe('What is known, in a sentence'),
    severity: z
      .enum(SEVERITIES)
      .optional()
      .describe('The worst that it was while it was open; absent in what an older version wrote'),
  })
  .meta({ id: 'Signal' })
export type Signal = z.infer<typeof signalSchema>

export const incidentSchema = z
  .object({
    id: z.string(),
    title: z.string(),
    severity: z.enum(SEVERITIES),
    state: z.enum(INCIDENT_STATES),
    signals: z.array(signalSchema),
    regions: z.array(z.string()),
    nodes: z.array(z.string()),
    startedAt: isoTime.describe('When the evidence begins, not when it was noticed'),
    detectedAt: isoTime,
    acknowledgedAt: isoTime.optional(),
    acknowledgedBy: z.string().optional(),
    mitigatedAt: isoTime.optional(),
    resolvedAt: isoTime.optional(),
    impact: z
      .string()
      .nullable()
      .describe('Impact in one sentence, for example "1 240 pushes not delivered in 4 min"'),
    drains: z.array(z.string()).describe('Related drains by id'),
  })
  .meta({ id: 'Incident' })
export type Incident = z.infer<typeof incidentSchema>

export const incidentPageSchema = pageSchema(incidentSchema)
