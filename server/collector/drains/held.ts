import { isActiveDrain, nodesOut } from '../../contract/drain-rules.ts'
import type { Drain, HeldPart } from '../../contract/drains.ts'

/**
 * What is out of service and waits for somebody's Resume, oldest first. What a newer drain has taken over is that one's, and what
 * is not configured any more is nobody's.
 */
export const heldParts = (drains: readonly Drain[], isKnown: (node: string) => boolean): HeldPart[] => {
  const active = drains.filter(isActiveDrain)
  const parts: HeldPart[] = []
  for (const drain of drains) {
    const nodes = nodesOut(drain).filter(
      (node) =>
        isKnown(node) &&
        !active.some((other) => other.id !== drain.id && other.steps.some((step) => step.node === node)),
    )
    if (nodes.length === 0) continue
    parts.push({
      ...(drain.region === undefined ? {} : { region: drain.region }),
      ...(drain.node === undefined ? {} : { node: drain.node }),
      nodes,
      drainId: drain.id,
      state: drain.state,
      version: drain.version,
      since: drain.updatedAt,
      reason: drain.reason,
    })
  }
  return parts.sort((a, b) => a.since.localeCompare(b.since))
}
