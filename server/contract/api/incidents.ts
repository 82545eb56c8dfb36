import { z } from 'zod'
import { incidentPageSchema, incidentSchema } from '../answers/incident.ts'
import { incidentRecordSchema } from '../answers/incident-record.ts'
import { annotationAnswerSchema, timelineItemSchema, timelineSchema } from '../answers/timeline.ts'
import { annotationSchema, incidentActionSchema, incidentPatchSchema, noteSchema } from '../incidents.ts'
import { listParameter, pageParameters, timeParameter } from './parameters.ts'
import { route, V1, withId } from './route.ts'

const tag = 'Incidents'

const action = (verb: string, summary: string) =>
  route({
    method: 'POST',
    path: `${V1}/incidents/:id/${verb}`,
    tag,
    role: 'operator',
    summary,
    params: withId,
    body: incidentActionSchema,
    answer: incidentSchema,
    errors: ['ERR_CONFLICT'],
  })

/** Incidents, their timelines, and what operators add to them. */
export const incidentRoutes = {
  listIncidents: route({
    method: 'GET',
    path: `${V1}/incidents`,
    tag,
    role: 'viewer',
    summary: 'Incidents, newest first',
    query: z
      .object({
        ...pageParameters,
        status: z
          .string()
          .regex(
            /^(?:active|open|acknowledged|mitigated|resolved)(?:,(?:active|open|acknowledged|mitigated|resolved))*$/,
            'must be open, acknowledged, mitigated, resolved or active',
          )
          .describe('States, separated by commas; `active` is every one that is not resolved')
          .optional(),
        from: timeParameter.optional(),
        to: timeParameter.optional(),
      })
      .strict(),
    answer: incidentPageSchema,
  }),
  getIncident: route({
    method: 'GET',
    path: `${V1}/incidents/:id`,
    tag,
    role: 'viewer',
    summary: 'An incident',
    params: withId,
    answer: incidentSchema,
  }),
  getTimeline: route({
    method: 'GET',
    path: `${V1}/incidents/:id/timeline`,
    tag,
    role: 'viewer',
    summary: 'What happened, in order; rows that belong together are folded into one',
    params: withId,
    query: z
      .object({
        ...pageParameters,
        kind: listParameter.optional(),
        node: listParameter.optional(),
        q: z.string().max(200).describe('Text to find in the row').optional(),
        members: z
          .enum(['yes', 'no'], 'must be yes or no')
          .describe('`yes`: each folded row carries the rows that were folded into it')
          .optional(),
      })
      .strict(),
    answer: timelineSchema,
    errors: ['ERR_TOO_SLOW'],
  }),
  exportIncident: route({
    method: 'GET',
    path: `${V1}/incidents/:id/export`,
    tag,
    role: 'viewer',
    summary: 'The whole record: a post-mortem to continue, or JSON',
    params: withId,
    query: z
      .object({
        format: z.enum(['md', 'json'], 'must be md or json').describe('Markdown or JSON').default('md'),
      })
      .strict(),
    answer: incidentRecordSchema,
    also: { 'text/markdown': 'A post-mortem to continue (`format=md`)' },
    errors: ['ERR_TOO_SLOW'],
  }),
  acknowledgeIncident: action('acknowledge', 'Says that somebody is working on it'),
  mitigateIncident: action('mitigate', 'Says that its effects are over'),
  resolveIncident: action('resolve', 'Ends it'),
  addNote: route({
    method: 'POST',
    path: `${V1}/incidents/:id/notes`,
    tag,
    role: 'operator',
    summary: 'Adds a note to the timeline',
    params: withId,
    body: noteSchema,
    answer: timelineItemSchema,
    status: 201,
  }),
  patchIncident: route({
    method: 'PATCH',
    path: `${V1}/incidents/:id`,
    tag,
    role: 'operator',
    summary: 'Changes its title, severity or start',
    params: withId,
    body: incidentPatchSchema,
    answer: incidentSchema,
    errors: ['ERR_CONFLICT'],
  }),
  addAnnotation: route({
    method: 'POST',
    path: `${V1}/annotations`,
    tag,
    role: 'operator',
    summary: 'Marks a moment, for example a deployment, on every timeline and chart',
    body: annotationSchema,
    answer: annotationAnswerSchema,
    status: 201,
    errors: ['ERR_NOT_FOUND'],
  }),
}
