import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import type { NodeProbeAnswer, ProbeChoice, ProbeGuess } from '../../contract/answers/node-probe.ts'
import { AppError } from '../../contract/errors.ts'
import { checkValue } from '../../contract/issue-words.ts'
import { nodeEntrySchema } from '../../contract/kinds/node-entry.ts'
import type { NodeProbeRequest } from '../../contract/probe.ts'
import { problemsOf } from '../../contract/problems.ts'
import { SERIES_METRICS } from '../../contract/series.ts'
import type { NodeKind } from '../../contract/states.ts'
import type { Log } from '../../observe/log.ts'
import { within } from '../../time/deadline.ts'
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
}

type Entry = Record<string, unknown>

/** Looks at a system that is not watched yet: what it is, what is understood of it, and the entry that would watch it. */
export class NodeProbe {
  readonly #options: NodeProbeOptions
  #underWay = 0

  constructor(options: NodeProbeOptions) {
    this.#options = options
  }

  /** Rejects with `ERR_INVALID` where the entry has mistakes, `ERR_CAPACITY` where too many look at once, `ERR_NODE_UNREACHABLE` in time. */
  async run(request: NodeProbeRequest): Promise<NodeProbeAnswer> {
    if (this.#underWay >= MAX_AT_ONCE)
      throw new AppError(
        'ERR_CAPACITY',
        `${MAX_AT_ONCE} systems are being looked at already; try again in a moment`,
        {
          limit: MAX_AT_ONCE,
        },
      )
    this.#underWay += 1
    const adapters = this.#options.adapters()
    const http = new HttpProbe({ timeoutMs: ASK_TIMEOUT_MS, rules: this.#options.rules })
    try {
      return await within(LIMIT_MS, this.#look(request, adapters, http), {
        late: () => {
          throw new AppError(
            'ERR_NODE_UNREACHABLE',
            `There was no complete answer within ${LIMIT_MS / 1_000} s`,
            {},
          )
        },
      })
    } finally {
      this.#underWay -= 1
      await Promise.all([adapters.close(), http.close()])
    }
  }

  async #look(request: NodeProbeRequest, adapters: Adapters, http: HttpProbe): Promise<NodeProbeAnswer> {
    const { kind: named, ...given } = request
    const sniffed = await this.#sniff(request, http, adapters)
    const guesses = named === undefined ? sniffed.guesses : []
    const guess = guesses[0]
    const kind = named ?? guess?.kind ?? null
    if (kind === null)
      return { ...NOTHING, guesses, reading: sniffed.reading, notUnderstood: sniffed.hints ?? [], entry: '' }
    const entry = this.#entryOf(kind, given, guess, sniffed.choices)
    const parsed = checkValue(nodeEntrySchema, entry)
    // Of a JSON answer that nobody has mapped yet there is nothing to read; what can be chosen is told all the same.
    const isUnmapped = isMapped(kind) && entry.map === undefined && entry.preset === undefined
    if (!parsed.success && !(isUnmapped && sniffed.choices.length > 0)) throw mistakesIn(parsed.error, entry)
    if (!parsed.success)
      return {
        ...NOTHING,
        kind,
        guesses,
        reading: sniffed.reading,
        choices: sniffed.choices,
        entry: entryText(entry),
      }
    const target = targetOf(parsed.data)
    const adapter = adapters.of(kind)
    const reading = await this.#read(() => adapter.probe(target))
    const verbs = reading.facts === undefined ? null : adapters.drains(() => target)
    const proof = adapter.proves(target)
    return {
      kind,
      guesses,
      reading: readingOf(reading),
      understood: reading.facts === undefined ? [] : understood(reading.facts),
      notUnderstood: [
        ...(reading.outcome === 'ok' ? (reading.partial ?? []) : [reading.reason]),
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
      entry: entryText(entry),
    }
  }

  /** Programs that tell their runs apart by two answers are asked twice. */
  async #read(ask: () => Promise<Reading>): Promise<Reading> {
    const first = await ask()
    if (first.outcome !== 'timeout') return first
    await delay(200)
    return ask()
  }

  async #sniff(request: NodeProbeRequest, http: HttpProbe, adapters: Adapters): Promise<SniffedSystem> {
    const { url, socket, address, kind } = request
    if (socket !== undefined)
      return {
        guesses: [SOCKET_GUESS].filter((guess): guess is ProbeGuess => isRead(guess.kind)),
        reading: null,
        choices: [],
      }
    if (address !== undefined)
      return kind === undefined
        ? this.#sniffAddress(address, http, adapters)
        : { guesses: [], reading: null, choices: [] }
    if (url === undefined || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new AppError(
        'ERR_INVALID',
        'url must be an http or https URL, for example http://127.0.0.1:9901',
        {
          problems: [
            { path: 'url', message: 'must be an http or https URL, for example http://127.0.0.1:9901' },
          ],
        },
      )
    if (kind !== undefined && (!isMapped(kind) || request.map !== undefined || request.preset !== undefined))
      return { guesses: [], reading: null, choices: [] }
    const { guesses, asked, text } = await guessHttp(http, url)
    const { text: _, ...reading } = asked
    const hints = hintsOf(asked.text ?? '')
    return { guesses, reading: readingOf(reading), choices: text === null ? [] : choicesIn(text), hints }
  }

  async #sniffAddress(address: string, http: HttpProbe, adapters: Adapters): Promise<SniffedSystem> {
    const { guesses, asked, text } = await guessHttp(http, `http://${address}/`)
    const { text: _, ...reading } = asked
    if (asked.status !== null) {
      const at = guesses.map((guess) => ({ ...guess, url: guess.url ?? `http://${address}/` }))
      return { guesses: at, reading: readingOf(reading), choices: text === null ? [] : choicesIn(text) }
    }
    // Nobody listens there at all: no other language would change that.
    if (/ECONNREFUSED/.test(asked.reason)) return { guesses: [], reading: readingOf(reading), choices: [] }
    return { guesses: await this.#speakers(address, adapters), reading: readingOf(reading), choices: [] }
  }

  /** Kinds that get an answer where HTTP gets none, each tried by its own adapter. */
  async #speakers(address: string, adapters: Adapters): Promise<ProbeGuess[]> {
    const guesses: ProbeGuess[] = []
    for (const [kind, why] of SPEAKERS) {
      const entry = nodeEntrySchema.safeParse({ id: kind, region: kind, kind, address })
      if (!isRead(kind) || !entry.success) continue
      const { outcome } = await adapters.of(kind).probe(targetOf(entry.data))
      if (outcome === 'ok') guesses.push({ kind, why })
    }
    return guesses
  }

  #entryOf(
    kind: NodeKind,
    given: Omit<NodeProbeRequest, 'kind'>,
    guess: ProbeGuess | undefined,
    choices: readonly ProbeChoice[],
  ): Entry {
    const { ids, regions } = this.#options.known()
    const { id, region, url, address, ...rest } = given as Entry
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
  guesses: ProbeGuess[]
  reading: NodeProbeAnswer['reading']
  choices: ProbeChoice[]
}

const NOTHING: Omit<NodeProbeAnswer, 'guesses' | 'reading' | 'entry'> = {
  kind: null,
  understood: [],
  notUnderstood: [],
  problems: [],
  choices: [],
  verbs: { drain: null, proof: 'none', words: 'Nothing is known of how it could be drained.' },
  tables: [],
}

const mistakesIn = (error: z.ZodError, entry: Entry): AppError => {
  const problems = problemsOf(error, { schema: nodeEntrySchema, value: entry })
  const words = problems.map(({ path, message }) => `${path} ${message}`).join('; ')
  return new AppError('ERR_INVALID', `That is no entry of nodes: ${words}`, { problems })
}

const targetOf = (entry: unknown): NodeTarget => ({ ...(entry as NodeTarget), embedded: false })

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
    return value === undefined ? [] : [of(name, label, value, unit)]
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
    return 'It has no verb of its own to drain it: add drain: { webhook: { url: …, secret: … } } to its entry, and your URL is called for drain and resume.'
  return proof === 'counted'
    ? `It is drained by ${verb}; its connections are counted, so that empty can be proved.`
    : `It is drained by ${verb}; nothing is counted, so that the drain ends as drained (unproven).`
}
