import type { incidentRoutes } from '../contract/api/incidents.ts'
import type { ApiOptions } from './context.ts'
import { given, isoOf, noSuch } from './input.ts'
import type { Handler, Handlers } from './serve.ts'

/** Incidents, their timelines, and what operators add to them. */
export const incidentHandlers = ({
  collector: { incidents },
}: ApiOptions): Handlers<typeof incidentRoutes> => {
  const known = async (id: string) => {
    const incident = await incidents.get(id)
    if (incident === null) throw noSuch('incident', id)
    return incident
  }
  const act =
    (action: 'acknowledge' | 'mitigate' | 'resolve'): Handler<typeof incidentRoutes.acknowledgeIncident> =>
    async ({ params, body, caller }) => {
      const { reason } = await body()
      const { id } = await known(params.id)
      return incidents[action](id, caller, reason)
    }
  return {
    listIncidents: ({ query: { from, to, ...rest } }) =>
      incidents.list(given({ ...rest, from: isoOf(from), to: isoOf(to) })),
    getIncident: ({ params }) => known(params.id),
    async getTimeline({ params, query: { kind, node, q, members, ...page } }) {
      const { id } = await known(params.id)
      return incidents.timeline(
        id,
        given({ ...page, kinds: kind, nodes: node, text: q, members: members === 'yes' }),
      )
    },
    async exportIncident({ params, query: { format }, context }) {
      const { id } = await known(params.id)
      return context.body(await incidents.export(id, format), 200, {
        'Content-Type': format === 'md' ? 'text/markdown; charset=utf-8' : 'application/json',
        'Content-Disposition': `attachment; filename="incident-${id.replace(/[^\w.-]/g, '_')}.${format}"`,
      })
    },
    acknowledgeIncident: act('acknowledge'),
    mitigateIncident: act('mitigate'),
    resolveIncident: act('resolve'),
    async addNote({ params, body, caller }) {
      const { text } = await body()
      const { id } = await known(params.id)
      return incidents.note(id, text, caller)
    },
    async patchIncident({ params, body, caller }) {
      const patch = await body()
      const { id } = await known(params.id)
      return incidents.patch(id, patch, caller)
    },
    addAnnotation: async ({ body, caller }) => incidents.annotate(await body(), caller),
  }
}
