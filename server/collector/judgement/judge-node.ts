import type { Reading } from '../adapters/reading.ts'
import { type Judgement, type JudgeThresholds, judge, judgeStall, LOSS_NEEDED } from './judge.ts'
import { DOUBT_MS, type DoubtNode, isNetworkPoll, type NetworkDoubt, networkDoubt } from './network-doubt.ts'

/** A node as it was judged by the reading before. */
export interface JudgedNode extends DoubtNode {
  readonly judgement: Judgement
  readonly doubt: NetworkDoubt | null
}

/** One of the fleet, with what is known of losses on the way to it. */
export interface FleetMember extends DoubtNode {
  readonly judgement?: Pick<Judgement, 'lossRate' | 'asked'>
}

/**
 * The share of polls that get lost on the way to a node anyway. Of one that has not been asked often yet, for example after a start, the
 * others tell it: the way begins at the same machine.
 */
const usualLossOf = (before: Judgement, reading: Reading, fleet: readonly FleetMember[]): number => {
  if (reading.outcome !== 'timeout' || before.asked >= LOSS_NEEDED) return before.lossRate
  let asked = 0
  let lost = 0
  for (const { judgement, embedded } of fleet) {
    if (judgement === undefined || embedded) continue
    asked += judgement.asked
    lost += judgement.asked * judgement.lossRate
  }
  return asked === 0 ? before.lossRate : Math.max(before.lossRate, lost / asked)
}

/** Judges one new reading of a node within its fleet, our own faults first. Pure. */
export const judgeNode = (
  node: JudgedNode,
  reading: Reading,
  fleet: readonly FleetMember[],
  thresholds: JudgeThresholds,
): { judgement: Judgement; doubt: NetworkDoubt | null } => {
  const { judgement: before, doubt } = node
  const judgement = judge(before, reading, thresholds, usualLossOf(before, reading, fleet))
  if (reading.outcome === 'ok') return { judgement, doubt: null }
  // Who was proved to be down stays so; who is on its way there, or not known already, gets the benefit of the doubt.
  const falling = judgement.state === 'down' && before.state !== 'down'
  if ((!falling && doubt === null) || doubt?.over === true) return { judgement, doubt }
  const why = networkDoubt(
    node,
    reading,
    fleet,
    doubt?.since ?? null,
    doubt?.badSince ?? judgement.badSince ?? reading.at,
  )
  if (why !== null) {
    const begun = { since: reading.at, badSince: judgement.badSince ?? reading.at, over: false }
    return { judgement: { ...judgeStall(before, reading.at), problems: [why] }, doubt: doubt ?? begun }
  }
  if (doubt === null) return { judgement, doubt }
  const { since, badSince } = doubt
  // Our network works, and this node still does not answer: its own polls count from here on.
  if (reading.at - since < DOUBT_MS || !isNetworkPoll(reading)) return { judgement, doubt: null }
  return {
    judgement: { ...judgement, state: 'down', since: reading.at, badSince },
    doubt: { since, badSince, over: true },
  }
}
