import type { Incident } from '@/server/contract/incidents.ts'
import { SEVERITIES } from '@/server/contract/states.ts'

/** What is not resolved: the worst first, among equals those that nobody has acknowledged, then the oldest. */
export const worstFirst = (incidents: readonly Incident[]): Incident[] =>
  incidents
    .filter((incident) => incident.state !== 'resolved')
    .toSorted(
      (a, b) =>
        SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
        Number(a.state !== 'open') - Number(b.state !== 'open') ||
        Date.parse(a.startedAt) - Date.parse(b.startedAt),
    )

/** When the last of its signals closed, epoch ms; null while one is open, and where there are no signals. */
export const quietSince = ({ signals }: Pick<Incident, 'signals'>): number | null =>
  signals.length === 0 || signals.some((signal) => signal.closedAt === undefined)
    ? null
    : Math.max(...signals.map((signal) => Date.parse(signal.closedAt ?? signal.openedAt)))

/** Those that concern a node, or a region as a whole. */
export const concerning = (
  incidents: readonly Incident[],
  where: { node: string } | { region: string },
): Incident[] =>
  worstFirst(incidents).filter((incident) =>
    'node' in where ? incident.nodes.includes(where.node) : incident.regions.includes(where.region),
  )
