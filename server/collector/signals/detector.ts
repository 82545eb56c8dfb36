import type { z } from 'zod'
import type { HeldBack } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import { Slices } from '../pace/slices.ts'
import { type DetectOptions, thresholdsFor } from './detect.ts'
import { SIGNAL_RULES } from './registry.ts'
import type {
  FleetView,
  OpenSignal,
  RuleContext,
  RuleScope,
  SignalFact,
  SignalRule,
  SignalScope,
  SignalVerdict,
} from './rule.ts'

/** What the engine needs of the book of incidents. */
export interface SignalBook {
  signal(kind: string, scope: string): OpenSignal | null
  /** Signals that are open, and those that an operator silenced until they have closed once. */
  held(): readonly SignalScope[]
  /** @param explainedUntil until when maintenance explained it (epoch ms), where that is over; null where it never did */
  observe(
    scope: SignalScope,
    verdict: SignalVerdict,
    now: number,
    explainedUntil?: number | null,
  ): Promise<void>
  relateDrains(drains: readonly { id: string; region?: string; nodes: readonly string[] }[]): Promise<void>
  settle(now: number): Promise<void>
}

/** What the engine needs of maintenance: what opens meanwhile opens no incident. */
export interface Explanations {
  covering(whom: { regions: string[]; nodes: readonly string[] }, at: number): { id: string } | null
  explainedUntil(
    whom: { regions: string[]; nodes: readonly string[] },
    since: number,
    at: number,
  ): number | null
}

const NOTHING_EXPLAINED: Explanations = { covering: () => null, explainedUntil: () => null }

export interface RelatedDrain {
  id: string
  region?: string | undefined
  steps: readonly { node: string }[]
}

/** More of one window say no more. */
const MAX_HELD_SHOWN = 100

const keyOf = (kind: string, scope: string): string => `${kind}|${scope}`

/**
 * Feeds what happens to the rules, keeps their states, and puts their verdicts into the book once a second. It knows no signal by name.
 */
export class Detector {
  readonly #fleet: FleetView
  readonly #book: SignalBook
  #options: DetectOptions
  readonly #drains: () => readonly RelatedDrain[]
  readonly #log: Log
  readonly #rules: readonly SignalRule[]
  /** What was looked at last, by rule and then scope: a burst of events is about few of them. */
  #scopes = new Map<string, Map<string, RuleScope>>()
  /** What each rule holds of each scope. Every fact and look asks for it: no key is put together of two names for that. */
  readonly #states = new Map<string, Map<string, unknown>>()
  /** As merged for each scope, by rule: it is asked for with every fact. */
  readonly #thresholds = new Map<string, Map<string, { region: string; merged: Record<string, unknown> }>>()
  /** What is watched, or was and is not finished with: `node:fra-1`, `region:fra`. */
  readonly #own = new Set<string>()
  /** Whatever the book holds is ours, until it was looked at once. */
  #ownsAll = false
  /** What threw the last time, so that it is said when it begins and when it ends. */
  readonly #failing = new Set<string>()
  /** Openings that maintenance held back at the last look, by rule and scope. */
  #heldBack = new Map<string, HeldBack & { window: string }>()
  readonly #maintenance: Explanations
  #faults = 0

  constructor(options: {
    fleet: FleetView
    book: SignalBook
    detect: DetectOptions
    activeDrains: () => readonly RelatedDrain[]
    maintenance?: Explanations
    log: Log
    /** For tests. */
    rules?: readonly SignalRule[]
  }) {
    this.#fleet = options.fleet
    this.#book = options.book
    this.#options = options.detect
    this.#drains = options.activeDrains
    this.#maintenance = options.maintenance ?? NOTHING_EXPLAINED
    this.#log = options.log
    this.#rules = options.rules ?? SIGNAL_RULES
  }

  /** How often a rule threw instead of answering, since the start. */
  get faults(): number {
    return this.#faults
  }

  /** What holds, and opens no incident while this maintenance window lasts. */
  heldBack(window: string): readonly HeldBack[] {
    return [...this.#heldBack.values()]
      .filter((each) => each.window === window)
      .slice(0, MAX_HELD_SHOWN)
      .map(({ window: _window, ...each }) => each)
  }

  /**
   * An earlier run of this collector watched these scopes: what has left the configuration since is closed. Null where that is not
   * known; then everything that is open is taken for ours.
   */
  watchedBefore(scopes: readonly string[] | null): void {
    if (scopes === null) this.#ownsAll = true
    else for (const scope of scopes) this.#own.add(scope)
  }

  /** Scopes that are watched, or were and are not finished with. */
  get watched(): string[] {
    return [...this.#own]
  }

  /** Thresholds that hold from now on. What rules know stays. */
  setThresholds(options: DetectOptions): void {
    this.#options = options
    this.#thresholds.clear()
  }

  /** Takes in what happened. */
  take(fact: SignalFact): void {
    const about = `what happened (${fact.type})`
    for (const rule of this.#rules) this.#guarded(rule, about, () => this.#takeBy(rule, fact))
  }

  /**
   * One look at everything, in slices: a thousand nodes by every rule are more than the event loop may be held for. Rejects with the first
   * fault of the book, after everything else was looked at.
   */
  async evaluate(now: number): Promise<void> {
    const faults: unknown[] = []
    // What cannot be written of one condition must not hide all others.
    const attempt = async (work: Promise<void>): Promise<void> => {
      await work.catch((error: unknown) => void faults.push(error))
    }
    const there = new Set([
      ...this.#fleet.nodes().map(({ id }) => `node:${id}`),
      ...this.#fleet.regions().map((id) => `region:${id}`),
    ])
    for (const scope of there) this.#own.add(scope)
    const looked = new Map<string, Map<string, RuleScope>>()
    // Who asks in the middle of the look is told of the last one.
    const heldBack = new Map<string, HeldBack & { window: string }>()
    const slices = new Slices()
    const fallen = new Set<string>()
    const held = new Set(this.#book.held().map(({ kind, scope }) => keyOf(kind, scope)))
    for (const rule of this.#rules) {
      const scopes = this.#guarded(rule, 'its scopes', () => rule.scopes(this.#fleet))
      // Who cannot say what it is about has not given anything up.
      if (scopes === undefined) fallen.add(rule.kind)
      const lookedHere = new Map<string, RuleScope>()
      looked.set(rule.kind, lookedHere)
      for (const scope of scopes ?? []) {
        if (slices.isOver) await slices.rest()
        lookedHere.set(scope.id, scope)
        const verdict = this.#verdictOf(rule, scope, now)
        if (verdict?.state === 'closed' && held.size === 0) continue
        const key = keyOf(rule.kind, scope.id)
        const before = this.#heldBack.get(key)
        // Who throws has not said that it is over.
        if (before && (verdict === undefined || verdict.state === 'hold')) heldBack.set(key, before)
        // Nearly all signals are closed, or stay as they are, nearly always: that costs the book nothing.
        if (verdict === undefined || verdict.state === 'hold') continue
        if (verdict.state === 'closed' && !held.has(key)) continue
        await attempt(this.#report(rule, scope, verdict, now, heldBack))
      }
    }
    this.#heldBack = heldBack
    for (const each of this.#book.held()) {
      if (looked.get(each.kind)?.has(each.scope) || fallen.has(each.kind)) continue
      // Another collector on the same store watches it, and closes it.
      if (!this.#ownsAll && !this.#own.has(each.scope)) continue
      await attempt(this.#book.observe(each, { state: 'closed', because: this.#whyLeft(each) }, now))
    }
    for (const [kind, states] of this.#states) {
      if (fallen.has(kind)) continue
      for (const scope of states.keys()) {
        if (looked.get(kind)?.has(scope)) continue
        // What came while this look was under way is looked at by the next one.
        const isNew = !there.has(scope) && this.#scopeOf(scope) !== null
        if (!isNew) states.delete(scope)
      }
    }
    this.#scopes = looked
    const drains = this.#drains().map(({ id, region, steps }) => ({
      id,
      ...(region === undefined ? {} : { region }),
      nodes: steps.map((step) => step.node),
    }))
    await attempt(this.#book.relateDrains(drains))
    await attempt(this.#book.settle(now))
    if (faults.length > 0) throw faults[0]
    if (fallen.size > 0) return
    this.#ownsAll = false
    for (const scope of this.#own) if (!there.has(scope)) this.#own.delete(scope)
  }

  #takeBy(rule: SignalRule, fact: SignalFact): void {
    const id = rule.about(fact, this.#fleet)
    if (id === null) return
    const scope = this.#scopes.get(rule.kind)?.get(id) ?? this.#scopeOf(id)
    if (scope === null) return
    const before = this.#stateOf(rule, scope.id)
    const state = rule.take(before, fact, this.#contextOf(rule, scope))
    if (state !== before) this.#statesOf(rule).set(scope.id, state)
  }

  #verdictOf(rule: SignalRule, scope: RuleScope, now: number): SignalVerdict | undefined {
    return this.#guarded(rule, scope.id, () => {
      const state = this.#stateOf(rule, scope.id)
      const left = rule.forget ? rule.forget(state, now) : state
      if (left !== state) this.#statesOf(rule).set(scope.id, left)
      return rule.verdict(left, {
        scope,
        thresholds: this.thresholdsOf(rule, scope),
        fleet: this.#fleet,
        open: this.#book.signal(rule.kind, scope.id),
        now,
      })
    })
  }

  /** @param heldBack takes what maintenance holds back */
  async #report(
    rule: SignalRule,
    scope: RuleScope,
    verdict: SignalVerdict,
    now: number,
    heldBack: Map<string, HeldBack & { window: string }>,
  ): Promise<void> {
    const { id, region } = scope
    const wasOpen = this.#book.signal(rule.kind, id) !== null
    const nodes = verdict.state === 'open' ? (verdict.nodes ?? scope.nodes) : scope.nodes
    const signal = { kind: rule.kind, scope: id, region, nodes }
    if (verdict.state !== 'open' || wasOpen) await this.#book.observe(signal, verdict, now)
    else {
      const whom = { regions: [region], nodes }
      const window = this.#maintenance.covering(whom, now)
      if (window === null) {
        const explained = this.#maintenance.explainedUntil(whom, verdict.startedAt, now)
        await this.#book.observe(signal, verdict, now, explained)
      } else {
        const since = new Date(verdict.startedAt).toISOString()
        heldBack.set(keyOf(rule.kind, id), {
          ...{ kind: rule.kind, scope: id, sentence: verdict.sentence, since },
          window: window.id,
        })
      }
    }
    if (!wasOpen || verdict.state !== 'closed') return
    this.#guarded(rule, id, () => {
      if (rule.afterClose) this.#statesOf(rule).set(id, rule.afterClose(this.#stateOf(rule, id)))
    })
  }

  /** Where a fact is about: a node, or a region that has nodes. */
  #scopeOf(id: string): RuleScope | null {
    const name = id.slice(id.indexOf(':') + 1)
    if (id.startsWith('region:')) {
      const nodes = this.#fleet.nodesOf(name)
      if (nodes.length === 0) return null
      return { id, region: name, nodes: nodes.map((node) => node.id) }
    }
    const node = this.#fleet.node(name)
    return node === null ? null : { id, region: node.region, nodes: [name] }
  }

  #stateOf(rule: SignalRule, scope: string): unknown {
    const states = this.#statesOf(rule)
    const known = states.get(scope)
    if (known !== undefined) return known
    const state = rule.start()
    states.set(scope, state)
    return state
  }

  #statesOf({ kind }: SignalRule): Map<string, unknown> {
    const known = this.#states.get(kind)
    if (known !== undefined) return known
    const states = new Map<string, unknown>()
    this.#states.set(kind, states)
    return states
  }

  #contextOf(rule: SignalRule, scope: RuleScope): RuleContext<Record<string, unknown>> {
    return {
      scope,
      thresholds: this.thresholdsOf(rule, scope),
      fleet: this.#fleet,
      open: this.#book.signal(rule.kind, scope.id),
    }
  }

  /** What is configured for a rule in one scope. */
  thresholdsOf<Thresholds extends z.ZodObject>(
    rule: Pick<SignalRule<unknown, Thresholds>, 'kind' | 'of' | 'thresholds'>,
    { id, region, nodes }: RuleScope,
  ): z.output<Thresholds> {
    let ofRule = this.#thresholds.get(rule.kind)
    if (ofRule === undefined) {
      ofRule = new Map()
      this.#thresholds.set(rule.kind, ofRule)
    }
    const known = ofRule.get(id)
    if (known?.region === region) return known.merged as z.output<Thresholds>
    const node = rule.of === 'node' ? nodes[0] : undefined
    const merged = thresholdsFor(this.#options, rule, { region, node })
    ofRule.set(id, { region, merged })
    return merged
  }

  /** What left the configuration is no longer looked at: its open signals would stay open forever. */
  #whyLeft({ kind, scope }: SignalScope): string {
    const name = scope.slice(scope.indexOf(':') + 1)
    if (!this.#rules.some((rule) => rule.kind === kind)) return `${kind} is not looked for any more`
    return this.#scopeOf(scope) === null
      ? `${name} is not in the configuration any more`
      : `${name} is not looked at any more`
  }

  /** What a rule answers; undefined where it throws: it says nothing then, and the others are still asked. */
  #guarded<T>(rule: SignalRule, about: string, ask: () => T): T | undefined {
    try {
      const answer = ask()
      // Asked for every rule and scope once a second: nothing is put together for the many that never failed.
      if (this.#failing.size > 0 && this.#failing.delete(keyOf(rule.kind, about)))
        this.#log.info({ signal: rule.kind, about }, 'a signal can be judged again')
      return answer
    } catch (error) {
      this.#faults += 1
      const key = keyOf(rule.kind, about)
      if (!this.#failing.has(key))
        this.#log.error({ err: error, signal: rule.kind, about }, 'a signal cannot be judged')
      this.#failing.add(key)
      return undefined
    }
  }
}
