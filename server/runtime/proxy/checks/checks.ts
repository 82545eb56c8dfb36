import type { Dialler } from '../targets/dialler.ts'
import type { Target } from '../targets/target.ts'
import { Check, type CheckDone } from './check.ts'

/** So many targets are asked at a time; the others wait, those that wait longest being asked first. */
const MAX_RUNNING = 256
/** A check has as long as its interval, and no longer than this. */
const MAX_CHECK_MS = 10_000
/** Each wait is changed by up to this share, so that checks of many targets, and of many nodes, do not fall together. */
const JITTER = 0.1

const nextCheckAt = (target: Target, intervalMs: number, now: number): number =>
  now + intervalMs * (target.checkAt === null ? Math.random() : 1 + JITTER * (2 * Math.random() - 1))

/** Asks targets whether they are well: those whose routes want it all the time, others only while they are down. */
export class Checks {
  readonly #dialler: Dialler
  readonly #running = new Map<Target, Check>()

  constructor(dialler: Dialler) {
    this.#dialler = dialler
  }

  sweep(now: number): void {
    for (const check of [...this.#running.values()]) check.sweep(now)
    const due: Target[] = []
    for (const target of this.#dialler.targets()) {
      const { check } = target.health.rules
      if (check) {
        if (target.checkAt === null) target.checkAt = nextCheckAt(target, check.intervalMs, now)
        if (now >= target.checkAt && !this.#running.has(target)) due.push(target)
      } else if (!target.health.up && target.health.probeDue(now) && !this.#running.has(target))
        due.push(target)
    }
    const room = MAX_RUNNING - this.#running.size
    if (due.length > room) due.sort((a, b) => (a.checkAt ?? 0) - (b.checkAt ?? 0))
    for (const target of due.slice(0, room)) this.#begin(target, now)
  }

  #begin(target: Target, now: number): void {
    const dialler = this.#dialler
    const { check: rules } = target.health.rules
    if (rules) target.checkAt = nextCheckAt(target, rules.intervalMs, now)
    const done: CheckDone = rules
      ? (fault, ms) => dialler.checked(target, fault, ms)
      : (fault, ms) => dialler.probed(target, fault === null, ms)
    const check = new Check(target, {
      connector: dialler.connector,
      onFault: dialler.onFault,
      path: rules?.path ?? null,
      limitMs: rules ? Math.min(rules.intervalMs, MAX_CHECK_MS) : dialler.connectTimeoutMs,
      onOver: () => this.#running.delete(target),
      done,
    })
    this.#running.set(target, check)
    check.start()
  }

  destroy(): void {
    for (const check of [...this.#running.values()]) check.cancel()
  }
}
