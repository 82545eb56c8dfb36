import type { DrainPlan, PlannedPhase, Strategy } from '@/server/contract/drains.ts'
import { PROOF_WORDS } from '@/server/contract/state-words.ts'
import { formatDuration, formatNumber, plural, UNKNOWN } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { NoticeList } from './notice-list.tsx'
import { PhaseBars } from './phase-bars.tsx'

/** What happens to connections that take longer than the plan. */
const limitWords = (phases: readonly PlannedPhase[], onDeadline: Strategy['onDeadline']): string => {
  const limits = phases.flatMap(({ phase, limitSeconds }) =>
    phase === 'connections' ? (limitSeconds ?? []) : [],
  )
  if (limits.length === 0) return 'Connections that take longer are waited for.'
  const at = `After ${formatDuration(Math.max(...limits) * 1000)}`
  return onDeadline === 'resume'
    ? `${at} a node that still has connections gives up and serves again.`
    : `${at} the connections that are left on a node are closed.`
}

const heldWords = (held: number | null): string => (held === null ? 'unknown' : formatNumber(held))

/** What a plan counts, in the order of its columns. */
const COUNTED = [
  ['tunnels', 'Tunnels'],
  ['connections', 'Connections'],
  ['requests', 'Requests'],
  ['pushes', 'Pushes'],
] as const

/**
 * What these nodes hold, or may hold without saying so. Tunnels and pushes are left out where a program does not count them, and where a
 * node of ours has none because it only forwards.
 */
const countedBy = ({ moves, nodes }: DrainPlan) => {
  const ours = new Set(nodes.flatMap(({ node, kind }) => (kind === 'tidegate' ? [node] : [])))
  return COUNTED.filter(
    ([key]) =>
      key === 'connections' ||
      moves.some((move) => (move[key] === null ? ours.has(move.node) : key === 'requests' || move[key] > 0)),
  )
}

/** `12 tunnels and at least 3 connections move off 2 nodes`, in one line. */
const movesWords = (plan: DrainPlan): string => {
  const hasTunnels = countedBy(plan).some(([key]) => key === 'tunnels')
  const sums = [...(hasTunnels ? [sumWords(plan.moves, 'tunnel')] : []), sumWords(plan.moves, 'connection')]
  const text = `${sums.join(' and ')} ${sums.join('') === '1 connection' ? 'moves' : 'move'} off ${plural(plan.moves.length, 'node')}, within ${formatDuration(plan.totalSeconds * 1000)}.`
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

/** `12 tunnels`, `at least 12 tunnels` where a node does not say how many, `an unknown number of tunnels` where none does. */
const sumWords = (moves: DrainPlan['moves'], one: 'tunnel' | 'connection'): string => {
  const known = moves.flatMap((move) => move[`${one}s`] ?? [])
  if (known.length === 0 && moves.length > 0) return `an unknown number of ${one}s`
  const sum = plural(
    known.reduce((total, held) => total + held, 0),
    one,
  )
  return known.length < moves.length ? `at least ${sum}` : sum
}

/** What would move, where to, and how long it would take. */
export function DrainPlanView({
  plan,
  onDeadline = 'wait',
}: {
  plan: DrainPlan
  onDeadline?: Strategy['onDeadline'] | undefined
}) {
  const nodes = [...new Set(plan.phases.map((phase) => phase.node))]
  const counted = countedBy(plan)
  const hasTunnels = counted.some(([key]) => key === 'tunnels')
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-5">
      <p className="font-medium text-base">
        {movesWords(plan)}{' '}
        <span className="font-normal text-soft">{limitWords(plan.phases, onDeadline)}</span>
      </p>
      <NoticeList blockers={plan.blockers} warnings={plan.warnings} />
      <div className="grid gap-5 xl:grid-cols-2">
        <div className="min-w-0">
          <h3 className="mb-1 text-faint text-xs">What moves</h3>
          <PlainTable
            low
            label="What moves"
            head={['Node', ...counted.map(([, label]) => label)]}
            numeric={counted.map((_, index) => index + 1)}
          >
            {plan.moves.map((move) => (
              <tr key={move.node}>
                <td className="num text-left!">{move.node}</td>
                {counted.map(([key]) => (
                  <td key={key} className="num">
                    {heldWords(move[key])}
                  </td>
                ))}
              </tr>
            ))}
          </PlainTable>
        </div>
        {hasTunnels && plan.forecast.length > 0 && (
          <div className="min-w-0">
            <h3 className="mb-1 text-faint text-xs">Where to, as far as is known</h3>
            <PlainTable
              low
              label="Where to"
              head={['Region', 'Tunnels now', 'After', 'Capacity', 'Reconnects a second']}
              numeric={[1, 2, 3, 4]}
            >
              {plan.forecast.map((entry) => {
                const over = entry.capacity !== undefined && (entry.tunnelsAfter ?? 0) > entry.capacity
                return (
                  <tr key={entry.region}>
                    <td className="num text-left!">{entry.region}</td>
                    <td className="num">{formatNumber(entry.tunnelsNow)}</td>
                    <td className={`num ${over ? 'text-down' : ''}`}>{formatNumber(entry.tunnelsAfter)}</td>
                    <td className="num">
                      {entry.capacity === undefined ? 'not set' : formatNumber(entry.capacity)}
                    </td>
                    <td className="num">{formatNumber(entry.reconnectsPerSecond)}</td>
                  </tr>
                )
              })}
            </PlainTable>
          </div>
        )}
      </div>
      <div>
        <h3 className="mb-1 text-faint text-xs">How each node is taken out, and what will be proved</h3>
        <PlainTable
          low
          label="How each node is taken out"
          head={['Node', 'Kind', 'By', 'Proof that it is empty']}
        >
          {plan.nodes.map(({ node, kind, verb, proof }) => (
            <tr key={node}>
              <td className="num text-left!">{node}</td>
              <td>{kind}</td>
              <td className={verb === null ? 'text-down' : ''}>{verb ?? 'nothing'}</td>
              <td className={proof === 'none' ? 'text-degraded' : ''}>
                {verb === null ? UNKNOWN : PROOF_WORDS[proof]}
              </td>
            </tr>
          ))}
        </PlainTable>
      </div>
      <div>
        <h3 className="mb-2 text-faint text-xs">How long, node by node</h3>
        <PhaseBars
          rows={nodes.map((node) => ({
            node,
            phases: plan.phases
              .filter((phase) => phase.node === node)
              .map((phase) => ({ name: phase.phase, seconds: phase.seconds })),
          }))}
        />
      </div>
    </div>
  )
}
