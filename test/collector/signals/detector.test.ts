import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { DetectOptions } from '../../../server/collector/signals/detect.ts'
import { Detector, type SignalBook } from '../../../server/collector/signals/detector.ts'
import { SIGNAL_RULES } from '../../../server/collector/signals/registry.ts'
import {
  defineRule,
  everyNode,
  type FleetView,
  type OpenSignal,
  type SignalFact,
  type SignalRule,
  type SignalScope,
} from '../../../server/collector/signals/rule.ts'
import { fieldsOf, threshold, whole } from '../../../server/collector/signals/threshold.ts'
import { SIGNAL_KINDS } from '../../../server/contract/index.ts'
import { createLog } from '../../../server/observe/log.ts'
import { eventOf, factsWith, scriptedView } from './scripted-view.ts'

/** Writes down what it is told; opens and closes without folding. */
class Notebook implements SignalBook {
  readonly lines: string[] = []
  readonly signals = new Map<string, SignalScope & OpenSignal>()
  failsOn: string | null = null

  signal(kind: string, scope: string): OpenSignal | null {
    return this.signals.get(`${kind} ${scope}`) ?? null
  }

  held(): SignalScope[] {
    return [...this.signals.values()]
  }

  async observe(...[scope, verdict, now]: Parameters<SignalBook['observe']>): Promise<void> {
    const key = `${scope.kind} ${scope.scope}`
    if (key === this.failsOn) throw new Error('the disk is full')
    const open = this.signals.has(key)
    if (verdict.state === 'open' && !open) {
      this.signals.set(key, { ...scope, startedAt: verdict.startedAt, openedAt: now, memory: null })
      this.lines.push(`${now} ${key} opened: ${verdict.sentence}`)
    }
    if (verdict.state === 'closed' && open) {
      this.signals.delete(key)
      this.lines.push(`${now} ${key} closed: ${verdict.because}`)
    }
  }

  relateDrains = (): Promise<void> => Promise.resolve()
  settle = (): Promise<void> => Promise.resolve()
}

/** Opens while a node has accepted more connections than `limit` since it is looked at. */
const busy = defineRule({
  kind: 'push.stuck',
  of: 'node',
  thresholds: z.object({ received: threshold(whole(1, 100), 3, { unit: 'events', description: 'so many' }) }),
  words: () => ({ opens: '', closes: '', severity: '', why: '', notes: [] }),
  scopes: everyNode,
  about: (fact) => (fact.type === 'event' ? `node:${fact.event.node}` : `node:${fact.node}`),
  start: () => 0,
  take: (count) => count + 1,
  verdict(count, { thresholds, scope }) {
    return count < thresholds.received
      ? { state: 'closed', because: 'quiet' }
      : {
          state: 'open',
          startedAt: 0,
          sentence: `${scope.id} counts ${count}`,
          title: '',
          severity: 'warning',
          impact: '',
        }
  },
  afterClose: () => 0,
})

const said: string[] = []
const log = {
  ...createLog('test', 'silent'),
  error: (_: unknown, text: string) => void said.push(text),
  info: (_: unknown, text: string) => void said.push(text),
} as unknown as ReturnType<typeof createLog>

const detectorOf = (rules: readonly SignalRule[], fleet: FleetView, detect: DetectOptions = {}) => {
  said.length = 0
  const book = new Notebook()
  return { book, detector: new Detector({ fleet, book, detect, activeDrains: () => [], log, rules }) }
}

const reading = (node: string, at = 0): SignalFact => ({ type: 'reading', node, at, facts: factsWith() })

describe('the registry', () => {
  it('holds exactly the signals that pages know', () => {
    expect(SIGNAL_RULES.map((rule) => rule.kind).sort()).toEqual([...SIGNAL_KINDS].sort())
  })

  it.each(SIGNAL_RULES.map((rule): [string, SignalRule] => [rule.kind, rule]))(
    '%s says what it does, and each threshold has range, default, unit and description',
    (_, rule) => {
      const words = rule.words(rule.thresholds.parse({}))
      for (const text of [words.opens, words.closes, words.severity, words.why])
        expect(text).toMatch(/\w+ \w+|critical|warning/)
      for (const { name, standard, range, text } of fieldsOf(rule.thresholds)) {
        expect(range.safeParse(standard).success, name).toBe(true)
        expect(range.maxValue, name).toBeLessThan(Number.MAX_SAFE_INTEGER)
        expect(text.description, name).not.toBe('')
      }
    },
  )
})

describe('the detector', () => {
  it('feeds a fact to the scope that it is about, and asks each with its own thresholds', async () => {
    const { book, detector } = detectorOf(
      [busy],
      scriptedView({ nodes: [{ id: 'fra-1' }, { id: 'fra-2' }, { id: 'iad-1' }] }),
      {
        regions: { fra: { 'push.stuck': { received: 2 } } },
        nodes: { 'fra-2': { 'push.stuck': { received: 4 } } },
      },
    )
    for (const node of ['fra-1', 'fra-2', 'iad-1'])
      for (let i = 0; i < 2; i += 1) detector.take(reading(node))
    await detector.evaluate(1_000)
    expect(book.lines).toEqual(['1000 push.stuck node:fra-1 opened: node:fra-1 counts 2'])
    detector.take({ type: 'event', event: eventOf('node.started', 0, { version: '1' }, 'iad-1') })
    await detector.evaluate(2_000)
    expect(book.lines[1]).toBe('2000 push.stuck node:iad-1 opened: node:iad-1 counts 3')
  })

  it('takes new thresholds without forgetting what it knows', async () => {
    const { book, detector } = detectorOf([busy], scriptedView())
    detector.take(reading('fra-1'))
    await detector.evaluate(1_000)
    detector.setThresholds({ 'push.stuck': { received: 1 } })
    await detector.evaluate(2_000)
    expect(book.lines).toEqual(['2000 push.stuck node:fra-1 opened: node:fra-1 counts 1'])
  })

  it('asks the other rules and scopes although one throws, counts it, and says so once', async () => {
    const broken: SignalRule = {
      ...busy,
      kind: 'node.down',
      verdict: () => {
        throw new Error('a mistake in the rule')
      },
    }
    const { book, detector } = detectorOf([broken, busy], scriptedView(), { 'push.stuck': { received: 1 } })
    detector.take(reading('fra-1'))
    await detector.evaluate(1_000)
    await detector.evaluate(2_000)
    expect(book.lines).toHaveLength(1)
    expect(detector.faults).toBe(2)
    expect(said).toEqual(['a signal cannot be judged'])
  })

  it('gives nothing up of a rule that cannot even say what it is about', async () => {
    let works = true
    const moody: SignalRule = {
      ...busy,
      scopes(fleet) {
        if (!works) throw new Error('a mistake in the rule')
        return everyNode(fleet)
      },
    }
    const { book, detector } = detectorOf([moody], scriptedView(), { 'push.stuck': { received: 1 } })
    detector.take(reading('fra-1'))
    await detector.evaluate(1_000)
    works = false
    await detector.evaluate(2_000)
    works = true
    await detector.evaluate(3_000)
    expect(book.lines).toEqual(['1000 push.stuck node:fra-1 opened: node:fra-1 counts 1'])
    expect(said).toEqual(['a signal cannot be judged', 'a signal can be judged again'])
  })

  it('looks at everything although the book fails for one, and rejects then', async () => {
    const { book, detector } = detectorOf(
      [busy],
      scriptedView({ nodes: [{ id: 'fra-1' }, { id: 'fra-2' }] }),
      {
        'push.stuck': { received: 1 },
      },
    )
    book.failsOn = 'push.stuck node:fra-1'
    detector.take(reading('fra-1'))
    detector.take(reading('fra-2'))
    await expect(detector.evaluate(1_000)).rejects.toThrow('the disk is full')
    expect(book.lines).toEqual(['1000 push.stuck node:fra-2 opened: node:fra-2 counts 1'])
    book.failsOn = null
    await detector.evaluate(2_000)
    expect(book.lines[1]).toBe('2000 push.stuck node:fra-1 opened: node:fra-1 counts 1')
  })

  it('closes what left the configuration, and a signal that this version does not know', async () => {
    const nodes = [{ id: 'fra-1' }, { id: 'fra-2' }]
    const { book, detector } = detectorOf([busy], scriptedView({ nodes }), { 'push.stuck': { received: 1 } })
    detector.take(reading('fra-1'))
    detector.take(reading('fra-2'))
    book.signals.set('proxy.melting node:fra-1', {
      kind: 'proxy.melting' as 'push.stuck',
      scope: 'node:fra-1',
      region: 'fra',
      nodes: ['fra-1'],
      startedAt: 0,
      openedAt: 0,
      memory: null,
    })
    await detector.evaluate(1_000)
    const smaller = new Detector({
      fleet: scriptedView({ nodes: [{ id: 'fra-1' }] }),
      book,
      detect: {},
      activeDrains: () => [],
      log,
      rules: [],
    })
    smaller.watchedBefore(['node:fra-1', 'node:fra-2', 'region:fra'])
    await smaller.evaluate(2_000)
    expect(book.lines.slice(2)).toEqual([
      '1000 proxy.melting node:fra-1 closed: proxy.melting is not looked for any more',
      '2000 push.stuck node:fra-1 closed: push.stuck is not looked for any more',
      '2000 push.stuck node:fra-2 closed: push.stuck is not looked for any more',
    ])
  })

  it('leaves open what another collector on the same store watches', async () => {
    const { book, detector } = detectorOf([busy], scriptedView({ nodes: [{ id: 'iad-1' }] }), {
      'push.stuck': { received: 1 },
    })
    detector.take(reading('iad-1'))
    await detector.evaluate(1_000)
    const scripted = { nodes: [{ id: 'fra-1' }, { id: 'fra-2' }] }
    const fleet = { ...scriptedView(scripted) }
    const options = {
      book,
      detect: { 'push.stuck': { received: 1 } },
      activeDrains: () => [],
      log,
      rules: [busy],
    }
    const other = new Detector({ ...options, fleet })
    other.watchedBefore([])
    await other.evaluate(2_000)
    expect(book.lines).toHaveLength(1)
    // What left its own configuration it closes once; then it is whoever's that watches it next.
    other.take(reading('fra-2'))
    await other.evaluate(3_000)
    Object.assign(fleet, scriptedView({ nodes: [{ id: 'fra-1' }] }))
    await other.evaluate(4_000)
    expect(book.lines.at(-1)).toBe(
      '4000 push.stuck node:fra-2 closed: fra-2 is not in the configuration any more',
    )
    const next = new Detector({ ...options, fleet: scriptedView({ nodes: [{ id: 'fra-2' }] }) })
    next.take(reading('fra-2'))
    await next.evaluate(5_000)
    await other.evaluate(6_000)
    expect(book.lines.at(-1)).toBe('5000 push.stuck node:fra-2 opened: node:fra-2 counts 1')
    expect(other.watched.sort()).toEqual(['node:fra-1', 'region:fra'])
  })

  it('keeps as its own what it could not close', async () => {
    const { book, detector } = detectorOf([busy], scriptedView({ nodes: [{ id: 'fra-1' }] }))
    book.signals.set('push.stuck node:fra-2', {
      kind: 'push.stuck',
      scope: 'node:fra-2',
      region: 'fra',
      nodes: ['fra-2'],
      startedAt: 0,
      openedAt: 0,
      memory: null,
    })
    book.failsOn = 'push.stuck node:fra-2'
    detector.watchedBefore(['node:fra-2'])
    await expect(detector.evaluate(1_000)).rejects.toThrow('the disk is full')
    expect(detector.watched).toContain('node:fra-2')
    book.failsOn = null
    await detector.evaluate(2_000)
    expect(book.lines).toEqual([
      '2000 push.stuck node:fra-2 closed: fra-2 is not in the configuration any more',
    ])
  })

  describe('a look that takes long', () => {
    const nodes = Array.from({ length: 30 }, (_, index) => ({ id: `fra-${index}` }))
    /** Every node costs some milliseconds, as a slow machine would make them. */
    const slow = defineRule({
      ...busy,
      verdict(count, context) {
        const until = performance.now() + 3
        while (performance.now() < until) Math.sqrt(until)
        return busy.verdict(count, context)
      },
    })
    const turns = () => {
      let count = 0
      const timer = setInterval(() => {
        count += 1
      }, 1)
      return {
        get count() {
          return count
        },
        stop: () => clearInterval(timer),
      }
    }

    it('lets everybody else have turns in between', async () => {
      const { detector } = detectorOf([slow], scriptedView({ nodes }))
      const others = turns()
      await detector.evaluate(1_000)
      others.stop()
      expect(others.count).toBeGreaterThan(2)
    })

    it('takes in what happens in between, also to a node that came in between', async () => {
      const fleet = { ...scriptedView({ nodes }) }
      const { book, detector } = detectorOf([slow], fleet, { 'push.stuck': { received: 1 } })
      const looking = detector.evaluate(1_000)
      await new Promise((resolve) => setImmediate(resolve))
      Object.assign(fleet, scriptedView({ nodes: [...nodes, { id: 'fra-new' }] }))
      detector.take(reading('fra-0'))
      detector.take(reading('fra-new'))
      await looking
      await detector.evaluate(2_000)
      // By which of the two looks the first is seen is a matter of the machine.
      expect(book.lines).toEqual([
        expect.stringContaining('push.stuck node:fra-0 opened: node:fra-0 counts 1'),
        '2000 push.stuck node:fra-new opened: node:fra-new counts 1',
      ])
    })
  })

  it('closes what a node that left had open', async () => {
    const nodes = [{ id: 'fra-1' }, { id: 'fra-2' }]
    const fleet = { ...scriptedView({ nodes }) }
    const { book, detector } = detectorOf([busy], fleet, { 'push.stuck': { received: 1 } })
    detector.take(reading('fra-2'))
    await detector.evaluate(1_000)
    Object.assign(fleet, scriptedView({ nodes: [{ id: 'fra-1' }] }))
    await detector.evaluate(2_000)
    expect(book.lines[1]).toBe(
      '2000 push.stuck node:fra-2 closed: fra-2 is not in the configuration any more',
    )
    // It comes back as new: what was known of it is gone.
    Object.assign(fleet, scriptedView({ nodes }))
    await detector.evaluate(3_000)
    expect(book.lines).toHaveLength(2)
  })

  it('passes facts by that are about nobody it knows', async () => {
    const { book, detector } = detectorOf([busy], scriptedView(), { 'push.stuck': { received: 1 } })
    detector.take(reading('gone-1'))
    await detector.evaluate(1_000)
    expect(book.lines).toEqual([])
    expect(detector.faults).toBe(0)
  })
})

describe('the rules', () => {
  /** An hour of a fleet: pushes without deliveries, a burst of losses, then quiet. */
  const facts: SignalFact[] = []
  for (let poll = 0; poll < 60; poll += 1) {
    const at = 1_000_000 + poll * 2_000
    const delivered = poll < 5 || poll >= 50 ? poll : 5
    facts.push({
      type: 'reading',
      node: 'fra-1',
      at,
      facts: factsWith({
        counters: { push_received: { push: poll * 10 }, push_delivered: { push: delivered } },
      }),
    })
    if (poll === 20)
      for (let host = 0; host < 5; host += 1)
        facts.push({
          type: 'event',
          event: eventOf('tunnel.lost', at + host, {
            hostId: `host-${host}`,
            code: 1006,
            reason: '',
            heldMs: 1,
          }),
        })
  }
  const timeOf = (fact: SignalFact): number => (fact.type === 'event' ? Date.parse(fact.event.at) : fact.at)

  /** A look after each fact, and some quiet ones. */
  const story = async (pause: () => Promise<void>): Promise<string[]> => {
    const { book, detector } = detectorOf(SIGNAL_RULES, scriptedView({ registered: ['host-9'] }))
    for (const fact of facts) {
      detector.take(fact)
      await detector.evaluate(timeOf(fact))
      await pause()
    }
    await detector.evaluate(1_000_000 + 600_000)
    expect(detector.faults).toBe(0)
    return book.lines
  }

  it('say the same of the same facts, live or replayed', async () => {
    const live = await story(() => new Promise((resolve) => setImmediate(resolve)))
    const replayed = await story(() => Promise.resolve())
    expect(replayed).toEqual(live)
    expect(live.map((line) => line.replace(/:.*?(opened|closed).*/, ' $1'))).toEqual([
      expect.stringMatching(/push\.stuck node opened/),
      expect.stringMatching(/tunnel\.storm region opened/),
      expect.stringMatching(/tunnel\.storm region closed/),
      expect.stringMatching(/push\.stuck node closed/),
    ])
  })
})
