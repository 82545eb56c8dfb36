import fc from 'fast-check'
import { expect, it } from 'vitest'
import { IncidentBook } from '../../../server/collector/incidents/book.ts'
import type { SignalScope, SignalVerdict } from '../../../server/collector/signals/rule.ts'
import { AppError } from '../../../server/contract/index.ts'
import { SqliteStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { FUZZ_SECONDS, fuzzSeed } from '../../fuzz.ts'
import { changedStore, log, sqlite } from '../../store/fixtures.ts'

const T = Date.parse('2026-04-27T18:00:00Z')

const node = (kind: SignalScope['kind'], id: string): SignalScope => ({
  kind,
  scope: `node:${id}`,
  region: id.slice(0, 3),
  nodes: [id],
})
const SIGNALS: SignalScope[] = [
  node('node.down', 'fra-1'),
  node('push.stuck', 'fra-1'),
  node('node.down', 'fra-2'),
  { kind: 'tunnel.storm', scope: 'region:fra', region: 'fra', nodes: [] },
  node('node.down', 'iad-1'),
]
const keyOf = ({ kind, scope }: { kind: string; scope: string }): string => `${kind}|${scope}`

type Op =
  | { op: 'turn'; signal: number }
  | { op: 'look'; who: number | 'both' }
  | { op: 'restart'; who: number }
  | { op: 'act'; who: number; which: number; verb: 'acknowledge' | 'mitigate' | 'resolve' | 'title' }
  | { op: 'store'; away: boolean }
  | { op: 'pass'; ms: number }

const who = fc.nat(1)
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('turn' as const), signal: fc.nat(SIGNALS.length - 1) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('look' as const),
      who: fc.oneof(who, fc.constant('both' as const)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('restart' as const), who }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('act' as const),
      who,
      which: fc.nat(3),
      verb: fc.constantFrom(
        'acknowledge' as const,
        'mitigate' as const,
        'resolve' as const,
        'title' as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('store' as const), away: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('pass' as const),
      ms: fc.constantFrom(1_000, 30_000, 61_000, 900_000),
    }),
  },
)

/** Two collectors, each with a connection of its own to one database, and the conditions that both see. */
class World {
  readonly holds = SIGNALS.map(() => false)
  readonly titles = new Map<string, string>()
  readonly #stores: SqliteStore[]
  readonly #books: IncidentBook[] = []
  #now = T
  #away = false

  constructor(stores: SqliteStore[]) {
    this.#stores = stores
  }

  async start(): Promise<void> {
    for (const index of this.#stores.keys()) await this.#restart(index)
  }

  async do(each: Op): Promise<void> {
    this.#now += 1_000
    if (each.op === 'turn') this.holds[each.signal] = !this.holds[each.signal]
    else if (each.op === 'pass') this.#now += each.ms
    else if (each.op === 'store') this.#away = each.away
    else if (each.op === 'restart') await this.#restart(each.who)
    else if (each.op === 'look') await this.look(each.who === 'both' ? [0, 1] : [each.who])
    else await this.#act(each.who, each.which, each.verb)
  }

  async look(books = [0, 1]): Promise<void> {
    this.#now += 1_000
    const now = this.#now
    await Promise.all(
      books.map(async (index) => {
        const book = this.#books[index]!
        for (const [at, scope] of SIGNALS.entries()) {
          const verdict: SignalVerdict = this.holds[at]
            ? {
                state: 'open',
                startedAt: now,
                sentence: keyOf(scope),
                title: keyOf(scope),
                severity: at === 1 ? 'critical' : 'warning',
                impact: `${keyOf(scope)} ${now}`,
              }
            : { state: 'closed', because: 'it is over' }
          await book.observe(scope, verdict, now).catch(onlyUnavailable)
        }
        await book.settle(now).catch(onlyUnavailable)
      }),
    )
  }

  /** What must hold after everything that may happen. */
  async check(): Promise<void> {
    const [store] = this.#stores
    const kept = await store!.unsettledIncidents(0)
    const open = kept.flatMap(({ incident }) =>
      incident.state === 'resolved' ? [] : incident.signals.filter((signal) => signal.closedAt === undefined),
    )
    expect(new Set(open.map(keyOf)).size, 'a signal is open in one incident').toBe(open.length)
    expect(kept.flatMap((each) => each.open).sort(), 'what is held is what is open').toEqual(
      open.map(keyOf).sort(),
    )
    const muted = kept.flatMap((each) => each.muted)
    expect(
      muted.filter((key) => open.some((signal) => keyOf(signal) === key)),
      'what is muted is not open',
    ).toEqual([])
    for (const { incident } of kept) {
      const title = this.titles.get(incident.id)
      if (title !== undefined) expect(incident.title, 'a title that somebody wrote stays').toBe(title)
    }
  }

  /** Everything ends, and then begins: nothing of before is in the way. */
  async end(): Promise<void> {
    this.#away = false
    this.holds.fill(false)
    for (let look = 0; look < 3; look += 1) await this.look()
    this.#now += 120_000
    for (let look = 0; look < 2; look += 1) await this.look()
    const before = await this.#stores[0]!.unsettledIncidents(0)
    expect(before.filter(({ incident }) => incident.state !== 'resolved')).toEqual([])
    expect(before.flatMap((each) => [...each.open, ...each.muted])).toEqual([])
    this.holds.fill(true)
    for (let look = 0; look < 2; look += 1) await this.look()
    const after = await this.#stores[1]!.unsettledIncidents(0)
    expect(after.flatMap((each) => each.open).sort()).toEqual(SIGNALS.map(keyOf).sort())
  }

  async #act(index: number, which: number, verb: Extract<Op, { op: 'act' }>['verb']): Promise<void> {
    const book = this.#books[index]!
    const incident = book.open()[which % Math.max(1, book.open().length)]
    if (!incident) return
    const title = `written at ${this.#now}`
    try {
      if (verb === 'title') {
        await book.patch(incident.id, { title })
        this.titles.set(incident.id, title)
      } else await book[verb](incident.id, 'ana', this.#now)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'ERR_CONFLICT') onlyUnavailable(error)
    }
  }

  async #restart(index: number): Promise<void> {
    const fault = new AppError('ERR_STORE_UNAVAILABLE', 'The store is unavailable')
    const real = this.#stores[index]!
    const guarded =
      <Args extends unknown[], T>(method: (...args: Args) => Promise<T>) =>
      (...args: Args): Promise<T> =>
        this.#away ? Promise.reject(fault) : method.apply(real, args)
    const store: Store = changedStore(real, {
      saveIncident: guarded(real.saveIncident),
      unmuteSignal: guarded(real.unmuteSignal),
      storedIncident: guarded(real.storedIncident),
      unsettledIncidents: guarded(real.unsettledIncidents),
    })
    const book = new IncidentBook({
      store,
      live: { changed: () => undefined },
      record: () => Promise.resolve(null),
      log,
    })
    await book.load(this.#now).catch(onlyUnavailable)
    this.#books[index] = book
  }
}

const onlyUnavailable = (error: unknown): void => {
  if (!(error instanceof AppError) || error.code !== 'ERR_STORE_UNAVAILABLE') throw error
}

it('two collectors on one database never hold a signal twice, and keep what people decided, whatever happens', {
  timeout: FUZZ_SECONDS * 1_000 + 60_000,
}, async () => {
  const seed = fuzzSeed('book of incidents')
  await fc.assert(
    fc.asyncProperty(fc.array(op, { minLength: 5, maxLength: 40 }), async (ops) => {
      const { store, url, remove } = await sqlite.create()
      const second = new SqliteStore({ url, log })
      await second.open()
      try {
        const world = new World([store, second])
        await world.start()
        for (const each of ops) {
          await world.do(each)
          await world.check()
        }
        await world.end()
      } finally {
        await second.close()
        await remove()
      }
    }),
    { seed, numRuns: 1_000, interruptAfterTimeLimit: FUZZ_SECONDS * 1_000, markInterruptAsFailure: false },
  )
})
