import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type DrainDeskOptions, RunningDrainDesk } from '../../../server/collector/drains/desk/drain-desk.ts'
import type { Actor } from '../../../server/contract/access.ts'
import type { Drain } from '../../../server/contract/drains.ts'
import { AppError, type ErrorCode } from '../../../server/contract/errors.ts'
import { createLog } from '../../../server/observe/log.ts'
import { SqliteStore } from '../../../server/store/sqlite-store.ts'
import { ScriptedFleet } from './scripted-fleet.ts'

export const ana: Actor = { name: 'ana@example.com', role: 'operator', address: null }
export const root: Actor = { name: 'root@example.com', role: 'admin', address: null }
export const drainOf = (region: string) => ({ region, reason: 'kernel update', confirm: region })
export const drainOfNode = (node: string) => ({ node, reason: 'kernel update', confirm: node })

const log = createLog('test', 'silent')

/** What the store does at the moment. */
export interface Weather {
  /** Every call is refused with `ERR_STORE_UNAVAILABLE`. */
  away: boolean
  /** It can be read, and every write is refused with `ERR_STORE_UNAVAILABLE`: a full disk, or a lock of somebody else's. */
  full?: boolean
  /** Every call takes so much longer. */
  slowMs: number
  /** No call ever answers. */
  silent: boolean
}

type Call = () => Promise<unknown>

/** The same store, with something around the calls of these names. */
export const around = (
  store: SqliteStore,
  names: readonly string[],
  wrap: (call: Call, name: string) => Promise<unknown>,
) =>
  new Proxy(store, {
    get(target, name) {
      // The store keeps private fields, which a call through the proxy would not find.
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (!names.includes(String(name))) return value.bind(target)
      return (...args: unknown[]) => wrap(async () => value.apply(target, args), String(name))
    },
  })

/** A store whose calls about drains go through that weather. */
export const inWeather = (weather: Weather) => (store: SqliteStore) =>
  around(store, ['saveDrain', 'createDrain', 'drains', 'drain', 'events'], async (call, name) => {
    if (weather.silent) return new Promise(() => undefined)
    if (weather.slowMs > 0) await new Promise((resolve) => setTimeout(resolve, weather.slowMs))
    const refused = weather.full === true && /^(save|create)/.test(name)
    if (weather.away || refused) throw new AppError('ERR_STORE_UNAVAILABLE', 'the disk is full')
    return call()
  })

export const refusal = async (work: Promise<unknown>): Promise<AppError> => {
  try {
    await work
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('it was not refused')
}
export const codeOf = async (work: Promise<unknown>): Promise<ErrorCode> => (await refusal(work)).code

/** A desk over a scripted fleet and a real database in a temporary folder. Its clocks run `speed` times faster than the wall. */
export class DrainBench {
  readonly folder = mkdtempSync(join(tmpdir(), 'tidegate-drains-'))
  readonly store: SqliteStore
  fleet: ScriptedFleet
  desk!: RunningDrainDesk
  /** Milliseconds by which somebody has moved the wall clock. */
  wallShiftMs = 0
  readonly #speed: number
  readonly #began = performance.now()
  readonly #epoch = Date.now()
  readonly #more: Partial<DrainDeskOptions>

  constructor(
    options: {
      speed?: number
      fleet?: ScriptedFleet
      wrap?: (store: SqliteStore) => SqliteStore
    } & Partial<DrainDeskOptions> = {},
  ) {
    const { speed = 20, fleet = new ScriptedFleet(), wrap = (store) => store, ...more } = options
    this.#speed = speed
    this.#more = more
    this.fleet = fleet
    this.store = wrap(new SqliteStore({ url: `file:${join(this.folder, 'test.db')}`, log }))
  }

  /** Since when the clocks stand still. */
  #frozen: number | null = null

  readonly monotonic = (): number => this.#frozen ?? (performance.now() - this.#began) * this.#speed
  readonly now = (): number => Math.round(this.#epoch + this.monotonic() + this.wallShiftMs)

  async open(): Promise<this> {
    await this.store.open()
    await this.openDesk()
    return this
  }

  /** As after a start of the collector. */
  async openDesk(): Promise<void> {
    this.desk = new RunningDrainDesk({
      store: this.store,
      fleet: this.fleet,
      live: { changed: () => undefined },
      log,
      now: this.now,
      monotonic: this.monotonic,
      tickMs: 5,
      ...this.#more,
    })
    await this.desk.start()
  }

  async close(): Promise<void> {
    await this.desk.close()
    await this.store.close()
    rmSync(this.folder, { recursive: true })
  }

  async get(id: string): Promise<Drain> {
    const drain = await this.desk.get(id)
    if (drain === null) throw new Error(`drain ${id} is gone`)
    return drain
  }

  async until(id: string, ...states: Drain['state'][]): Promise<Drain> {
    await expect
      .poll(async () => states.includes((await this.get(id)).state), { timeout: 15_000, interval: 5 })
      .toBe(true)
    return this.get(id)
  }

  /** Lets the bench's clock run on by so many of its milliseconds. */
  async pass(ms: number): Promise<void> {
    const end = this.monotonic() + ms
    while (this.monotonic() < end) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  /** Time stands still from now on; ticks go on. */
  freeze(): void {
    this.#frozen = this.monotonic()
  }

  serving(): string[] {
    return this.fleet.scripted.filter(({ id }) => this.fleet.serves(id)).map(({ id }) => id)
  }
}
