import { type Incident, SEVERITIES, type Severity, type Signal } from '../../contract/index.ts'
import { listWords } from '../../contract/words.ts'
import { SIGNAL_RULES } from '../signals/registry.ts'
import type { SignalRule } from '../signals/rule.ts'

// What an incident is named after. Pure.

const rules: readonly SignalRule[] = SIGNAL_RULES
/** Causes before effects, which is the order of the rules. */
const order = new Map<string, number>(rules.map(({ kind }, index) => [kind, index]))
const ofMany = new Map<string, SignalRule['titleOfMany']>(rules.map((rule) => [rule.kind, rule.titleOfMany]))

/** Names beside each other in one title. */
const MAX_REGIONS = 2

type Named = Pick<Incident, 'signals' | 'severity' | 'regions' | 'title'>

/** Those that are open, or all of them where none is. */
const currentOf = (signals: readonly Signal[]): readonly Signal[] => {
  const open = signals.filter(({ closedAt }) => closedAt === undefined)
  return open.length > 0 ? open : signals
}

/** The worst first, causes before effects, the oldest first. What an older version wrote says only how bad the whole was. */
const comparison =
  (ofAll: Severity) =>
  (a: Signal, b: Signal): number => {
    const badness = (signal: Signal): number => SEVERITIES.indexOf(signal.severity ?? ofAll)
    const place = ({ kind }: Signal): number => order.get(kind) ?? rules.length
    return badness(b) - badness(a) || place(a) - place(b) || (a.openedAt < b.openedAt ? -1 : 1)
  }

/** Signals that are open, or all of them where none is: the worst first, causes before effects, the oldest first. */
export const worstFirst = ({ signals, severity }: Pick<Named, 'signals' | 'severity'>): Signal[] =>
  [...currentOf(signals)].sort(comparison(severity))

/**
 * The title of an incident: that of its worst signal at the moment, and when it is over of the worst that it had; of several nodes how
 * many they are. `said` answers how the rule of a signal would name it; undefined or empty where that is not known.
 */
export const titleOf = (
  incident: Named,
  said: (signal: Pick<Signal, 'kind' | 'scope'>) => string | undefined,
): string => {
  const signals = currentOf(incident.signals)
  const compare = comparison(incident.severity)
  // One pass: a region of a thousand nodes that go one after the other asks a thousand times.
  const lead = signals.reduce<Signal | null>(
    (worst, each) => (worst === null || compare(each, worst) < 0 ? each : worst),
    null,
  )
  if (lead === null) return incident.title
  const nodes = new Set(
    signals
      .filter(({ kind, scope }) => kind === lead.kind && scope.startsWith('node:'))
      .map(({ scope }) => scope),
  )
  const many = nodes.size > 1 ? ofMany.get(lead.kind) : undefined
  const places = listWords(incident.regions, MAX_REGIONS)
  return many?.(`${nodes.size} nodes of ${places}`) || said(lead) || incident.title
}
