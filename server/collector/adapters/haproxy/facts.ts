import { listWords, plural, verbFor } from '../../../contract/words.ts'
import type { CountByPart, CounterName, Counters, Facts, Gauges } from '../facts.ts'
import type { HaproxyAnswer } from './answer.ts'
import { type ServerState, serverState, titleOf } from './server-state.ts'
import type { StatNumber, StatRow } from './statistics.ts'

/** Sentences that one reading holds at most. */
const MAX_PROBLEMS = 10

/** What a whole answer says of a node, but for its run and what the adapter remembers. */
export type NodeFacts = Pick<Facts, 'ok' | 'problems' | 'gauges' | 'counters'> &
  Required<Pick<Facts, 'state'>>

/** The one server that an entry names; `down`: HAProxy itself says that it cannot serve. */
export type ServerFacts = { facts: NodeFacts } | { down: string; facts: NodeFacts } | { fault: string }

export const serverFacts = (answer: HaproxyAnswer, backend: string, server: string): ServerFacts => {
  const row = answer.rows.find(
    ({ sort, proxy, name }) => sort === 'server' && proxy === backend && name === server,
  )
  if (row === undefined) return { fault: `HAProxy has no server ${server} in backend ${backend}` }
  const state = serverState(row, answer.admin.get(server))
  const gauges = gaugesOf([row])
  const isEmpty = gauges.connections === 0 && (gauges.requests_pending ?? 0) === 0
  const facts: NodeFacts = {
    ok: state.kind !== 'down' && row.numbers.weight !== 0,
    problems: serverProblems(row, state),
    state: state.kind === 'out' ? (isEmpty ? 'drained' : 'draining') : 'serving',
    gauges,
    counters: countersOf([row], 'stot'),
  }
  return state.kind === 'down' ? { down: state.why, facts } : { facts }
}

/** Other servers of a backend to which HAProxy gives new sessions. */
export const takersBeside = (answer: HaproxyAnswer, backend: string, server: string): string[] =>
  answer.rows
    .filter(({ sort, proxy, name }) => sort === 'server' && proxy === backend && name !== server)
    .filter((row) => serverState(row, answer.admin.get(row.name)).kind === 'up' && row.numbers.weight !== 0)
    .map(({ name }) => name)

const serverProblems = (row: StatRow, state: ServerState): string[] => {
  if (state.kind === 'down') return [state.why]
  if (state.kind === 'out')
    return row.status.startsWith('DOWN') ? [`${titleOf(row)} is out of service, and DOWN`] : []
  return row.numbers.weight === 0 ? [`${titleOf(row)} has weight 0, so it takes no new sessions`] : []
}

/**
 * The process as a whole, by its frontends.
 *
 * @param keep frontends that a drain leaves open
 * @param unbound frontends that are known to have no socket: HAProxy calls them OPEN and cannot disable them
 */
export const processFacts = (
  answer: HaproxyAnswer,
  keep: readonly string[],
  unbound: ReadonlySet<string>,
): NodeFacts => {
  const frontends = answer.rows.filter(({ sort, proxy }) => sort === 'frontend' && !keep.includes(proxy))
  const bound = frontends.filter(({ proxy }) => !unbound.has(proxy))
  const backends = answer.rows.filter(({ sort }) => sort === 'backend')
  const servers = answer.rows.filter(({ sort }) => sort === 'server')
  const gauges = gaugesOf(frontends, backends)
  const isOut = bound.length > 0 && bound.every(isDisabled)
  const isEmpty = gauges.connections === 0 && (gauges.requests_pending ?? 0) === 0
  const dead = deadBackends(backends, servers)
  return {
    ok: dead.length === 0,
    problems: atMost([
      ...dead,
      ...manyProcesses(answer),
      ...(isOut ? [] : someDisabled(bound)),
      ...servers.flatMap((row) => {
        const state = serverState(row, undefined)
        return state.kind === 'down' ? [state.why] : []
      }),
    ]),
    state: answer.info.isStopping ? 'stopping' : isOut ? (isEmpty ? 'drained' : 'draining') : 'serving',
    gauges,
    counters: countersOf(frontends, 'conn_tot'),
  }
}

/** `PAUSED` since HAProxy 2.5, `STOP` before that. */
export const isDisabled = ({ status }: StatRow): boolean => status === 'PAUSED' || status === 'STOP'

const someDisabled = (frontends: readonly StatRow[]): string[] => {
  const names = frontends.filter(isDisabled).map(({ proxy }) => proxy)
  return names.length === 0
    ? []
    : [
        `${plural(names.length, 'frontend')} ${verbFor(names.length, 'is', 'are')} disabled: ${listWords(names)}`,
      ]
}

/** A backend without servers is one that redirects or answers itself. */
const deadBackends = (backends: readonly StatRow[], servers: readonly StatRow[]): string[] => {
  const counts = new Map<string, number>()
  for (const { proxy } of servers) counts.set(proxy, (counts.get(proxy) ?? 0) + 1)
  return backends.flatMap(({ proxy, status }) => {
    const count = counts.get(proxy) ?? 0
    return count === 0 || !status.startsWith('DOWN')
      ? []
      : [
          `backend ${proxy} is DOWN: ${count === 1 ? 'its server serves not' : `none of its ${count} servers serves`}`,
        ]
  })
}

const manyProcesses = ({ info }: HaproxyAnswer): string[] =>
  info.processes > 1
    ? [`this socket speaks for process ${info.number} of ${info.processes}; the others are not seen`]
    : []

const atMost = (problems: string[]): string[] =>
  problems.length <= MAX_PROBLEMS
    ? problems
    : [...problems.slice(0, MAX_PROBLEMS - 1), `and ${problems.length - MAX_PROBLEMS + 1} more`]

/** What is open in some rows, and what waits for a server in these or others. */
const gaugesOf = (rows: readonly StatRow[], queues: readonly StatRow[] = rows): Gauges => {
  const connections = sumOf(rows, 'scur')
  const pending = sumOf(queues, 'qcur')
  return {
    ...(connections === null ? {} : { connections }),
    ...(pending === null ? {} : { requests_pending: pending }),
  }
}

const sumOf = (rows: readonly StatRow[], name: StatNumber): number | null => {
  const values = rows.flatMap(({ numbers }) => numbers[name] ?? [])
  return values.length < rows.length ? null : values.reduce((sum, value) => sum + value, 0)
}

/** @param accepted what counts new connections: of frontends `conn_tot`, of servers `stot` */
const countersOf = (rows: readonly StatRow[], accepted: StatNumber): Counters => {
  const count = (numberOf: (row: StatRow) => number | undefined): CountByPart | undefined => {
    const parts = rows.flatMap((row) => {
      const value = numberOf(row)
      return value === undefined ? [] : [[`${row.proxy}/${row.name}`, value] as const]
    })
    return parts.length === 0 ? undefined : Object.fromEntries(parts)
  }
  const all: Partial<Record<CounterName, CountByPart | undefined>> = {
    connections_accepted: count(({ numbers }) => numbers[accepted] ?? numbers.stot),
    connections_refused: count(({ numbers }) =>
      numbers.dcon === undefined ? numbers.dses : numbers.dcon + (numbers.dses ?? 0),
    ),
    bytes_up: count(({ numbers }) => numbers.bin),
    bytes_down: count(({ numbers }) => numbers.bout),
    requests: count(requestsOf),
    requests_failed: count(({ mode, numbers }) => (mode === 'tcp' ? undefined : numbers.hrsp_5xx)),
  }
  return Object.fromEntries(Object.entries(all).filter(([, parts]) => parts !== undefined))
}

const ANSWERS = ['hrsp_1xx', 'hrsp_2xx', 'hrsp_3xx', 'hrsp_4xx', 'hrsp_5xx', 'hrsp_other'] as const

/** Of a frontend its requests; of a server, which counts none, its answers. */
const requestsOf = ({ numbers, mode }: StatRow): number | undefined => {
  if (numbers.req_tot !== undefined) return numbers.req_tot
  if (mode === 'tcp' || numbers.hrsp_2xx === undefined) return undefined
  return ANSWERS.reduce((sum, name) => sum + (numbers[name] ?? 0), 0)
}
