import type { Target } from './target.ts'
import { hashOf, spread } from './text-hash.ts'

/** How a route's targets share its requests, or its connections. */
export type Balance = 'round-robin' | 'least-connections' | 'client-hash'

const weightOf = (target: Target, now: number): number => target.weight * target.health.share(now)

/** From `first` on, all of them. */
const from = (targets: readonly Target[], first: number): Target[] =>
  targets.map((_, at) => targets[(first + at) % targets.length]!)

/** Each by its weight, and as evenly in time as that goes (as nginx does): every one gains its weight, the richest pays for all. */
const inTurn = (targets: readonly Target[], now: number): Target[] => {
  let sum = 0
  let best = 0
  for (let at = 0; at < targets.length; at += 1) {
    const target = targets[at]!
    const weight = weightOf(target, now)
    sum += weight
    target.credit += weight
    if (target.credit > targets[best]!.credit) best = at
  }
  targets[best]!.credit -= sum
  return from(targets, best)
}

/** The least busy for its weight; who is as busy is asked in turn. */
const leastBusy = (targets: readonly Target[], now: number, turn: number): Target[] => {
  let best = 0
  let least = Number.POSITIVE_INFINITY
  for (let step = 0; step < targets.length; step += 1) {
    const at = (turn + step) % targets.length
    const target = targets[at]!
    const load = (target.active + target.dialling + 1) / weightOf(target, now)
    if (load < least) {
      least = load
      best = at
    }
  }
  return from(targets, best)
}

/** Highest random weight: when a target goes, its clients alone move, and they come back to it. */
const byClient = (targets: readonly Target[], now: number, ip: string): Target[] => {
  const client = hashOf(ip)
  const scored = targets.map((target) => ({
    target,
    score: -weightOf(target, now) / Math.log(spread(Math.imul(target.hash, 0x9e3779b1) ^ client)),
  }))
  scored.sort((a, b) => b.score - a.score)
  return scored.map(({ target }) => target)
}

/** These targets in the order in which one request asks them. `turn`: how many were asked before. */
export const ordered = (
  balance: Balance,
  targets: readonly Target[],
  { ip, now, turn }: { ip: string; now: number; turn: number },
): Target[] => {
  if (targets.length < 2) return [...targets]
  if (balance === 'least-connections') return leastBusy(targets, now, turn)
  return balance === 'client-hash' ? byClient(targets, now, ip) : inTurn(targets, now)
}
