import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import type { NodeProbeAnswer, ProbeChoice, ProbeGuess } from '../../contract/answers/node-probe.ts'
import { AppError, type Problem } from '../../contract/errors.ts'
import { checkValue } from '../../contract/issue-words.ts'
import type { TlsMaterial } from '../../contract/kinds/entry.ts'
import { hostAndPort } from '../../contract/kinds/haproxy.ts'
import { entryKeysOf, nodeEntrySchema } from '../../contract/kinds/node-entry.ts'
import type { NodeProbeRequest } from '../../contract/probe.ts'
import { problemsOf } from '../../contract/problems.ts'
import { SERIES_METRICS } from '../../contract/series.ts'
import type { NodeKind } from '../../contract/states.ts'
import type { Log } from '../../observe/log.ts'
import { within } from '../../time/deadline.ts'
import type { Adapter } from '../adapters/adapter.ts'
import type { AddressRules } from '../adapters/address.ts'
import { type Facts, totalOf } from '../adapters/facts.ts'
import { HttpProbe } from '../adapters/http-probe.ts'
import type { Reading } from '../adapters/reading.ts'
import { Adapters, type NodeTarget } from '../adapters/registry.ts'
import { readJson } from '../adapters/untrusted-json.ts'
import { choicesOf, suggestedMap } from './choices.ts'
import { entryText } from './entry-text.ts'
import { guessHttp, isRead } from './guess.ts'
import { hintsOf } from './hints.ts'
import { seriesChoices } from './series-choices.ts'
import { type Called, calledIn } from './signs.ts'

/** Looks at unknown systems that may be under way at once: each asks several times. */
const MAX_AT_ONCE = 4
const ASK_TIMEOUT_MS = 5_000
/** For all that one look asks. */
const LIMIT_MS = 14_000

export interface NodeProbeOptions {
  /** Adapters of their own, so that what is open to the nodes that are watched is left alone. */
  adapters: () => Adapters
  rules: AddressRules
  /** What is in the configuration already: ids that are taken, and regions there are. */
  known: () => { ids: readonly string[]; regions: readonly string[] }
  /** Reads the files that an entry names by `ca`, `cert` and `key`, again for each look. */
  tlsFiles: () => EntryFiles
  /** Milliseconds for all that one look asks; default 14 s. */
  limitMs?: number
}

/** The PEM files that entries name. */
export interface EntryFiles {
  /** What is wrong with those of the entries, by paths that begin with `nodes[0]`. */
  problemsIn(file: { nodes: readonly object[] }): Problem[]
  materialOf(entry: object): TlsMaterial | undefined
}

/** Where no files can be named. */
export const NO_FILES: EntryFiles = {
  problemsIn: ({ nodes: [entry = {}] }) =>
    ['ca', 'cert', 'key']
      .filter((name) => name in entry)
      .map((name) => ({ path: name, message: 'names a file, and none are read here' })),
  materialOf: () => undefined,
}

type Entry = Record<string, unknown>

/** What one look needs, beside what it was asked. */
interface Looking {
  readonly adapters: Adapters
  readonly http: HttpProbe
  readonly tls: TlsMaterial | undefined
  /** Aborts when nobody waits any more. */
  readonly signal: AbortSignal
}

/** Looks at a system that is not watched yet: what it is, what is understood of it, and the entry that would watch it. */
export class NodeProbe {
  readonly #options: NodeProbeOptions
  #underWay = 0

  constructor(options: NodeProbeOptions) {
    this.#options = options
  }

  /**
   * Rejects with `ERR_INVALID` where the entry has mistakes, `ERR_CAPACITY` where too many look at once, `ERR_NODE_UNREACHABLE` in time.
   *
   * @param written secrets as references, in the place of the values that they stand for: for the entry alone
   */
  async run(
    request: NodeProbeRequest,
    written: Pick<NodeProbeRequest, 'token' | 'auth'> = {},
  ): Promise<NodeProbeAnswer> {
    if (this.#underWay >= MAX_AT_ONCE)
      throw new AppError(
        'ERR_CAPACITY',
        `${MAX_AT_ONCE} systems are being looked at already; try again in a moment`,
        {
          limit: MAX_AT_ONCE,
        },
      )
    const tls = this.#filesOf(request)
    const { limitMs = LIMIT_MS, rules } = this.#options
    this.#underWay += 1
    const adapters = this.#options.adapters()
    const http = new HttpProbe({ timeoutMs: ASK_TIMEOUT_MS, rules })
    let look: Promise<NodeProbeAnswer> | undefined
    let isLate = false
    try {
      return await within(
        limitMs,
        (signal) => {
          look = this.#look(request, written, { adapters, http, tls, signal })
          return look
        },
        {
          late: () => {
            isLate = true
            throw new AppError(
              'ERR_NODE_UNREACHABLE',
              `There was no complete answer within ${limitMs / 1_000} s`,
              {},
            )
          },
        },
      )
    } finally {
      // What is open ends with them; the place is free once the look has ended, not once nobody waits for it.
      const closed = Promise.all([adapters.close(), http.close()])
      const ended = Promise.allSettled([look, closed]).then(() => {
        this.#underWay -= 1
      })
      await (isLate ? closed : ended)
    }
  }

  /** Throws `ERR_INVALID` where a file that it names cannot be used. */
  #filesOf(request: NodeProbeRequest): TlsMaterial | undefined {
    const files = this.#options.tlsFiles()
    const problems = files
      .problemsIn({ nodes: [request] })
      .map(({ path, message }) => ({ path: path.replace(/^nodes\[0\]\./, ''), message }))
    if (problems.length > 0) throw mistakes(problems)
    return files.materialOf(request)
  }

  async #look(
    request: NodeProbeRequest,
    written: Pick<NodeProbeRequest, 'token' | 'auth'>,
    looking: Looking,
  ): Promise<NodeProbeAnswer> {
    const { adapters, tls, signal } = looking
    const { kind: named, ...given } = request
    const sniffed = await this.#sniff(request, looking)
    signal.throwIfAborted()
    const guesses = named === undefined ? sniffed.guesses : []
    const guess = guesses[0]
    const kind = named ?? guess?.kind ?? null
    if (kind === null)
      return {
        ...NOTHING,
        wants: wantsOf(request, sniffed.reading),
        guesses,
        reading: sniffed.reading,
        notUnderstood: sniffed.hints ?? [],
        entry: '',
      }
    const entry = this.#entryOf(kind, given, guess, sniffed)
    const text = entryText(asWritten(entry, written))
    const parsed = checkValue(nodeEntrySchema, entry)
    // Of a JSON answer that nobody has mapped yet there is nothing to read; what can be chosen is told all the same.
    const isUnmapped = isMapped(kind) && entry.map === undefined && entry.preset === undefined
    if (!parsed.success && !(isUnmapped && sniffed.choices.length > 0)) throw mistakesIn(parsed.error, entry)
    if (!parsed.success)
      return {
        ...NOTHING,
        kind,
        wants: wantsOf(request, sniffed.reading),
        guesses,
        reading: sniffed.reading,
        choices: sniffed.choices,
        entry: text,
      }
    const target = targetOf(parsed.data, tls)
    const adapter = adapters.of(kind)
    const reading = await this.#read(() => adapter.probe(target), signal)
    const tokenFault =
      reading.outcome === 'ok' && request.token !== undefined ? await tokenFaultOf(adapter, target) : []
    const verbs = reading.facts === undefined ? null : adapters.drains(() => target)
    const proof = adapter.proves(target)
    return {
      kind,
      wants: wantsOf(request, readingOf(reading)),
      guesses,
      reading: readingOf(reading),
      understood: reading.facts === undefined ? [] : understood(reading.facts),
      notUnderstood: [
        ...(reading.outcome === 'ok' ? (reading.partial ?? []) : [reading.reason]),
        ...tokenFault,
        ...(sniffed.hints ?? []),
      ],
      problems: [...(reading.facts?.problems ?? [])],
      // Who has a preset, or a map of their own, has chosen.
      choices: entry.preset === undefined && isMapped(kind) ? sniffed.choices : [],
      verbs: {
        drain: verbs?.verb ?? null,
        proof,
        words: reading.facts === undefined ? NOTHING.verbs.words : verbWords(verbs?.verb ?? null, proof),
      },
      tables: [...(reading.facts?.tables ?? [])],
      entry: text,
    }
  }

  /** Programs that tell their runs apart by two answers are asked twice. */
  async #read(ask: () => Promise<Reading>, signal: AbortSignal): Promise<Reading> {
    const first = await ask()
    if (first.outcome !== 'timeout') return first
    await delay(200, undefined, { signal })
    return ask()
  }

  async #sniff(request: NodeProbeRequest, looking: Looking): Promise<SniffedSystem> {
    const { url, socket, address, kind, auth } = request
    if (socket !== undefined)
      return {
        guesses: [SOCKET_GUESS].filter((guess): guess is ProbeGuess => isRead(guess.kind)),
        reading: null,
        choices: [],
      }
    if (address !== undefined)
      return kind === undefined
        ? this.#sniffAddress(address, auth, looking)
        : { guesses: [], reading: null, choices: [] }
    if (url === undefined || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw mistake('url', 'must be an http or https URL, for example http://127.0.0.1:9901')
    if (kind !== undefined && !isSniffed(kind, request)) return { guesses: [], reading: null, choices: [] }
    const { guesses, asked, text } = await guessHttp(looking.http, { url, tls: looking.tls, auth })
    const { text: _, ...reading } = asked
    const hints = hintsOf(asked.text ?? '')
    const choices = text === null ? [] : choicesIn(text)
    return { guesses, reading: readingOf(reading), choices, hints, called: calledIn(text) }
  }

  async #sniffAddress(
    address: string,
    auth: NodeProbeRequest['auth'],
    looking: Looking,
  ): Promise<SniffedSystem> {
    if (hostAndPort(address) === null)
      throw mistake('address', 'must be host:port, for example db.internal:5432 or [::1]:5432')
    const { guesses, asked, text } = await guessHttp(looking.http, { url: `http://${address}/`, auth })
    const { text: _, ...reading } = asked
    if (asked.status !== null) {
      const at = guesses.map((guess) => ({ ...guess, url: guess.url ?? `http://${address}/` }))
      return { guesses: at, reading: readingOf(reading), choices: text === null ? [] : choicesIn(text) }
    }
    // Nobody listens there at all: no other language would change that.
    if (/ECONNREFUSED/.test(asked.reason)) return { guesses: [], reading: readingOf(reading), choices: [] }
    return { guesses: await this.#speakers(address, looking), reading: readingOf(reading), choices: [] }
  }

  /** Kinds that get an answer where HTTP gets none, each tried by its own adapter; at once, for what is silent costs each its whole time. */
  async #speakers(address: string, { adapters, tls, signal }: Looking): Promise<ProbeGuess[]> {
    signal.throwIfAborted()
    const tried = SPEAKERS.map(async ([kind, why]): Promise<ProbeGuess[]> => {
      const entry = nodeEntrySchema.safeParse({ id: kind, region: kind, kind, address })
      if (!isRead(kind) || !entry.success) return []
      const { outcome } = await adapters.of(kind).probe(targetOf(entry.data, tls))
      return outcome === 'ok' ? [{ kind, why }] : []
    })
    return (await Promise.all(tried)).flat()
  }

  #entryOf(
    kind: NodeKind,
    given: Omit<NodeProbeRequest, 'kind'>,
    guess: ProbeGuess | undefined,
    { choices, called }: SniffedSystem,
  ): Entry {
    const { ids, regions } = this.#options.known()
    const own = kind === 'tidegate' ? called : null
    const { id = own?.id, region = own?.region, url, address, ...all } = given as Entry
    // Whoever did not know what it is could not know which keys its kind has.
    const rest = guess === undefined ? all : keysOf(all, entryKeysOf(kind))
    const isMappable = isMapped(kind) && rest.map === undefined && rest.preset === undefined
    const map = isMappable && guess?.preset === undefined ? suggestedMap(choices) : {}
    const asked = url === undefined ? (address === undefined ? {} : { address }) : { url }
    const where = guess?.url === undefined ? asked : { url: guess.url }
    // A poll is sent without it; the file will have the true one.
    const token =
      kind === 'tidegate' && rest.token === undefined ? { token: `\${${tokenName(id ?? kind)}}` } : {}
    return {
      id: id ?? freeId(kind, ids),
      region: region ?? regions[0] ?? 'fra',
      kind,
      ...where,
      ...rest,
      ...token,
      ...(guess?.preset === undefined ? {} : { preset: guess.preset }),
      ...(Object.keys(map).length === 0 ? {} : { map: kind === 'json' ? map : seriesMap(map) }),
    }
  }
}

/** Adapters that keep nothing: for one look at a system that is not watched. */
export const adaptersForOneLook = (rules: AddressRules, log: Log): Adapters =>
  new Adapters({
    timeoutMs: ASK_TIMEOUT_MS,
    rules,
    store: { position: async () => null },
    log,
    maxBackoffMs: ASK_TIMEOUT_MS,
    now: Date.now,
  })

const SOCKET_GUESS = { kind: 'haproxy', why: 'it is a socket, as the runtime API of HAProxy is' }

/** What else than HTTP answers at host:port, the most telling first. */
const SPEAKERS = [
  ['haproxy', 'it answers as the runtime API of HAProxy does'],
  ['tls', 'it speaks TLS: its certificate can be watched'],
  ['tcp', 'it takes connections: the time that takes can be watched'],
] as const

interface SniffedSystem {
  /** What else could be asked instead, a sentence each. */
  hints?: string[]
  /** What it calls itself; null where it is no node of ours. */
  called?: Called | null
  guesses: ProbeGuess[]
  reading: NodeProbeAnswer['reading']
  choices: ProbeChoice[]
}

const NOTHING: Omit<NodeProbeAnswer, 'guesses' | 'reading' | 'entry'> = {
  kind: null,
  wants: null,
  understood: [],
  notUnderstood: [],
  problems: [],
  choices: [],
  verbs: { drain: null, proof: 'none', words: 'Nothing is known of how it could be drained.' },
  tables: [],
}

/** What its answer asks for. A server that knows clients by their certificates answers 400 to those who show none (nginx). */
const wantsOf = (
  { url, cert }: NodeProbeRequest,
  reading: NodeProbeAnswer['reading'],
): NodeProbeAnswer['wants'] => {
  if (reading === null || reading.outcome === 'ok') return null
  const { status, reason } = reading
  const isShown = cert !== undefined
  const isTls = url !== undefined && /^https:/i.test(url)
  if (status === 401) return 'password'
  if (isTls && !isShown && (status === 400 || /certificate.required/i.test(reason))) return 'certificate'
  return status === 403 ? 'access' : null
}

const mistakesIn = (error: z.ZodError, entry: Entry): AppError => {
  const problems = problemsOf(error, { schema: nodeEntrySchema, value: entry })
  return mistakes(problems)
}

/** One mistake, of what is needed before anybody can be asked. */
const mistake = (path: string, message: string): AppError =>
  new AppError('ERR_INVALID', `${path} ${message}`, { problems: [{ path, message }] })

const mistakes = (problems: Problem[]): AppError => {
  const words = problems.map(({ path, message }) => `${path} ${message}`).join('; ')
  return new AppError('ERR_INVALID', `That is no entry of nodes: ${words}`, { problems })
}

const targetOf = (entry: unknown, tls: TlsMaterial | undefined): NodeTarget => ({
  ...(entry as NodeTarget),
  embedded: false,
  ...(tls === undefined ? {} : { tls }),
})

/** Polls are sent without the token: whether it is taken is asked by a call that changes nothing. */
const tokenFaultOf = async (adapter: Adapter<NodeTarget>, target: NodeTarget): Promise<string[]> => {
  try {
    await adapter.connections?.(target, 1)
    return []
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'it cannot be asked with it'
    return [`its token is not taken: ${reason}`]
  }
}

/** The entry with secrets as they are to be written; a kind that has none of them gets none. */
const asWritten = (entry: Entry, { token, auth }: Pick<NodeProbeRequest, 'token' | 'auth'>): Entry => ({
  ...entry,
  ...(token === undefined || entry.token === undefined ? {} : { token }),
  ...(auth === undefined || entry.auth === undefined ? {} : { auth }),
})

const keysOf = (entry: Entry, keys: ReadonlySet<string>): Entry =>
  Object.fromEntries(Object.entries(entry).filter(([key]) => keys.has(key) || !MAY_BE_PASSED_OVER.has(key)))

/** Keys that help to find out what something is, also where its kind has no such key. */
const MAY_BE_PASSED_OVER = new Set(['ca', 'cert', 'key', 'auth', 'token'])

/** Whether more has to be known of it than its kind: what could be mapped, or what it calls itself. */
const isSniffed = (kind: string, { map, preset, id, region }: NodeProbeRequest): boolean =>
  (isMapped(kind) && map === undefined && preset === undefined) ||
  (kind === 'tidegate' && (id === undefined || region === undefined))

const seriesMap = (map: Record<string, string>): Record<string, { metric: string }> =>
  Object.fromEntries(Object.entries(map).map(([name, metric]) => [name, { metric }]))

/** Kinds that read what they are told to. */
const isMapped = (kind: string): boolean => kind === 'json' || kind === 'prometheus'

const tokenName = (id: unknown): string => `${String(id).toUpperCase().replaceAll('-', '_')}_CONTROL_TOKEN`

const freeId = (kind: NodeKind, ids: readonly string[]): string => {
  const taken = new Set(ids)
  let number = 1
  while (taken.has(`${kind}-${number}`)) number += 1
  return `${kind}-${number}`
}

const choicesIn = (text: string): ProbeChoice[] => {
  const read = /^\s*[[{]/.test(text) ? readJson(text) : null
  return read?.ok ? choicesOf(read.value) : seriesChoices(text)
}

const readingOf = ({
  at,
  durationMs,
  outcome,
  status,
  reason,
}: Pick<Reading, 'at' | 'durationMs' | 'outcome' | 'status' | 'reason'>): NodeProbeAnswer['reading'] => ({
  at: new Date(at).toISOString(),
  durationMs,
  outcome,
  status,
  reason,
})

/** What the collector would show and judge, by the names of `/series` and of maps. */
const understood = (facts: Facts): NodeProbeAnswer['understood'] => {
  const of = (name: string, label: string, value: number | boolean | string, unit: string | null = null) => ({
    name,
    label,
    value,
    unit,
  })
  const known = Object.entries(SERIES_METRICS).flatMap(([name, { label, unit, kind }]) => {
    const value =
      kind === 'gauge'
        ? facts.gauges[name as keyof Facts['gauges']]
        : totalOf(facts, name as keyof Facts['counters'])
    // What was counted is no rate: an increase takes two looks.
    const shown = kind === 'gauge' ? label : `${label} since its start`
    return value === undefined ? [] : [of(name, shown, value, unit)]
  })
  return [
    of('ok', 'Does its job', facts.ok),
    ...(facts.state === undefined ? [] : [of('state', 'Its own state', facts.state)]),
    ...(facts.version === null ? [] : [of('version', 'Version', facts.version)]),
    ...(facts.uptimeMs === null
      ? []
      : [of('uptime_seconds', 'Running for', Math.round(facts.uptimeMs / 1_000), 'seconds')]),
    ...known,
  ]
}

const verbWords = (verb: string | null, proof: 'counted' | 'none'): string => {
  if (verb === null)
    return 'It has no drain of its own: add drain: { webhook: { url: …, secret: … } } to its entry, and your URL is called to drain and to resume it.'
  return proof === 'counted'
    ? `It is drained by ${verb}; its connections are counted, so it can be proved empty.`
    : `It is drained by ${verb}; nothing is counted, so the drain ends as drained (unproven).`
}
