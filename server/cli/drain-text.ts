import type { Drain, DrainPlan, Remaining } from '../contract/drains.ts'
import { DRAIN_OUTCOME_WORDS, DRAIN_STEP_WORDS, DRAIN_WORDS, PROOF_WORDS } from '../contract/state-words.ts'
import { countWords, durationWords, plural } from '../contract/words.ts'
import { table } from './output.ts'

/** What a drain would do. */
export const planText = (id: string, plan: DrainPlan): string =>
  [
    `Plan for ${id}, about ${durationWords(plan.totalSeconds * 1000)}:`,
    movesTable(plan),
    plan.nodes.length === 0
      ? ''
      : `\nHow each node is taken out:\n${table(
          ['node', 'kind', 'by', 'proof'],
          plan.nodes.map(({ node, kind, verb, proof }) => [
            node,
            kind,
            verb ?? 'nothing',
            verb === null ? null : PROOF_WORDS[proof],
          ]),
        )}`,
    plan.forecast.length === 0
      ? ''
      : `\nWhere tunnels will probably go:\n${table(
          ['region', 'now', 'after', 'capacity', 'reconnects/s'],
          plan.forecast.map((entry) => [
            entry.region,
            entry.tunnelsNow,
            entry.tunnelsAfter,
            entry.capacity ?? null,
            entry.reconnectsPerSecond,
          ]),
        )}`,
    ...plan.blockers.map((blocker) => `BLOCKED  ${blocker.message}`),
    ...plan.warnings.map((warning) => `warning  ${warning.message}`),
  ]
    .filter((line) => line !== '')
    .join('\n')

/** What is unknown of programs that hold no such thing has no column; connections have one always, because they are what has to end. */
const movesTable = ({ moves, nodes }: DrainPlan): string => {
  const foreign = new Set(nodes.filter(({ kind }) => kind !== 'tidegate').map(({ node }) => node))
  const columns = (['tunnels', 'connections', 'requests', 'pushes'] as const).filter(
    (name) => name === 'connections' || moves.some((move) => move[name] !== null || !foreign.has(move.node)),
  )
  return table(
    ['node', ...columns],
    moves.map((move) => [move.node, ...columns.map((name) => move[name] ?? 'unknown')]),
  )
}

/** What is not counted is left out: most programs hold no tunnels. */
const leftText = ({ tunnels, connections }: Remaining): string =>
  [...(tunnels === null ? [] : [plural(tunnels, 'tunnel')]), plural(connections, 'connection')].join(', ')

/** How far a drain has got, in one line. */
export const progressText = (drain: Drain): string => {
  const steps = drain.steps.map((step) => {
    const left = step.remaining === null ? '' : ` (${leftText(step.remaining)} left)`
    if (step.outcome !== undefined) return `${step.node} ${DRAIN_OUTCOME_WORDS[step.outcome]}`
    return `${step.node} ${DRAIN_STEP_WORDS[step.phase]}${step.phase === 'waiting' || step.phase === 'done' ? '' : left}`
  })
  const note = drain.note === null ? '' : ` · ${drain.note}`
  return `${DRAIN_WORDS[drain.state]}: ${steps.join(', ')}${note}`
}

/** How a drain went. */
export const reportText = (drain: Drain): string => {
  const { report } = drain
  if (report === undefined) return `Drain ${drain.id} is ${DRAIN_WORDS[drain.state]}`
  const { gaps, connections } = report
  return [
    `Drain ${drain.id} is ${DRAIN_WORDS[drain.state]} after ${durationWords(report.durationMs)}`,
    ...(hasTunnels(drain)
      ? [
          `  tunnels      ${drain.moves.length} in scope: ${gaps.moved} moved, ${gaps.stayed} stayed, ${gaps.missing} missing; gap p50 ${ms(gaps.p50Ms)}, p99 ${ms(gaps.p99Ms)}, max ${ms(gaps.maxMs)}`,
        ]
      : []),
    `  connections  ${amount(connections.finished)} finished, ${amount(connections.aborted)} aborted; ${failedText(report.requestsFailed)}`,
    ...(drain.note === null ? [] : [`  note         ${drain.note}`]),
    ...report.notes.map((note) => `  note         ${note}`),
  ].join('\n')
}

/** Every tunnel in scope is named among the moves, or counted as gone. */
const hasTunnels = ({ moves, report }: Drain): boolean =>
  moves.length > 0 ||
  (report !== undefined && report.gaps.moved + report.gaps.stayed + report.gaps.missing > 0)

const amount = (value: number | null): string => (value === null ? '–' : countWords(value))

const failedText = (failed: number | null): string =>
  failed === null ? 'failed requests are not counted' : `${plural(failed, 'request')} failed`

const ms = (value: number | null): string => (value === null ? 'not measured' : durationWords(value))
