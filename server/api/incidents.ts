import { z } from 'zod'
import { annotationSchema, incidentActionSchema, incidentPatchSchema, noteSchema } from '../contract/index.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiOptions } from './context.ts'
import { given, listParameter, noSuch, pageParameters, readBody, readQuery, timeParameter } from './input.ts'

const listQuery = z
  .object({
    ...pageParameters,
    status: z
      .string()
      .regex(
        /^(?:active|open|acknowledged|mitigated|resolved)(?:,(?:active|open|acknowledged|mitigated|resolved))*$/,
        'must be open, acknowledged, mitigated, resolved or active',
      )
      .optional(),
    from: timeParameter.optional(),
    to: timeParameter.optional(),
  })
  .strict()

const timelineQuery = z
  .object({
    ...pageParameters,
    kind: listParameter.optional(),
    node: listParameter.optional(),
    q: z.string().max(200).optional(),
  })
  .strict()

const exportQuery = z.object({ format: z.enum(['md', 'json'], 'must be md or json').default('md') }).strict()

const iso = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString()

/** Incidents, their timelines, and what operators write onto them. */
export const addIncidents = (
  app: ApiApp,
  { needs }: Access,
  { collector: { incidents } }: ApiOptions,
): void => {
  const known = async (id: string) => {
    const incident = await incidents.get(id)
    if (incident === null) throw noSuch('incident', id)
    return incident
  }

  app.get(
    '/incidents',
    needs('viewer', async (c) => {
      const { from, to, ...rest } = readQuery(c, listQuery)
      return c.json(await incidents.list(given({ ...rest, from: iso(from), to: iso(to) })))
    }),
  )
  app.get(
    '/incidents/:id',
    needs('viewer', async (c) => c.json(await known(c.req.param('id') ?? ''))),
  )
  app.get(
    '/incidents/:id/timeline',
    needs('viewer', async (c) => {
      const { kind, node, q, ...page } = readQuery(c, timelineQuery)
      const { id } = await known(c.req.param('id') ?? '')
      return c.json(await incidents.timeline(id, given({ ...page, kinds: kind, nodes: node, text: q })))
    }),
  )
  app.get(
    '/incidents/:id/export',
    needs('viewer', async (c) => {
      const { format } = readQuery(c, exportQuery)
      const { id } = await known(c.req.param('id') ?? '')
      return c.body(await incidents.export(id, format), 200, {
        'Content-Type': format === 'md' ? 'text/markdown; charset=utf-8' : 'application/json',
        'Content-Disposition': `attachment; filename="incident-${id.replace(/[^\w.-]/g, '_')}.${format}"`,
      })
    }),
  )

  for (const action of ['acknowledge', 'mitigate', 'resolve'] as const) {
    app.post(
      `/incidents/:id/${action}`,
      needs('operator', async (c, caller) => {
        await readBody(c, incidentActionSchema)
        const { id } = await known(c.req.param('id') ?? '')
        return c.json(await incidents[action](id, caller))
      }),
    )
  }
  app.post(
    '/incidents/:id/notes',
    needs('operator', async (c, caller) => {
      const { text } = await readBody(c, noteSchema)
      const { id } = await known(c.req.param('id') ?? '')
      return c.json(await incidents.note(id, text, caller), 201)
    }),
  )
  app.patch(
    '/incidents/:id',
    needs('operator', async (c, caller) => {
      const patch = await readBody(c, incidentPatchSchema)
      const { id } = await known(c.req.param('id') ?? '')
      return c.json(await incidents.patch(id, patch, caller))
    }),
  )
  app.post(
    '/annotations',
    needs('operator', async (c, caller) =>
      c.json(await incidents.annotate(await readBody(c, annotationSchema), caller), 201),
    ),
  )
}
