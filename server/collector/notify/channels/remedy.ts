import type { Incident, SignalFamily, SignalKind } from '../../../contract/index.ts'
import { worstFirst } from '../../incidents/headline.ts'

/** What to look at first, in one sentence. What is not here has the words of its family. */
const OF_KIND: Partial<Record<SignalKind, string>> = {
  'push.stuck': 'Open the node and look at its push session; dropping the session lets it open a fresh one.',
  'tunnel.storm': 'Look for a deploy or a restart in that minute, and whether the hosts come back elsewhere.',
  'node.down':
    'Look whether the machine is reachable and the process runs; the others carry its load meanwhile.',
  'node.restarted': 'Look in its log why it ended; a process that restarts again and again is best drained.',
  'node.clock_skew': 'Set the clock of that machine, and look whether its time service runs.',
  'node.wrong_region':
    'Compare the region in the configuration with the one that the node says, and mend one of them.',
  'drain.residue': 'Open the drain and look who still sends traffic there; it must not be switched off yet.',
  'drain.stalled': 'Open the drain: let it go on, force it, or abort it.',
  'certificate.failed':
    'Look whether the name leads to that node, and its port 80 is reached from outside; the node tries again by itself.',
  'region.unreachable':
    'Look at the network between here and the region first, then at its machines; drain it if it stays away.',
}

const OF_FAMILY: Readonly<Record<SignalFamily, string>> = {
  push: 'Open the node and look at its push session and at what the push service answers.',
  tunnel: 'Open the tunnels page and look which hosts are lost, and whether they come back.',
  proxy: 'Open the node and look at its connections and targets; drain it if it gets worse.',
  node: 'Open the node and look at its problems; drain it if it gets worse.',
  region: 'Open the region and look which of its nodes serve.',
  drain: 'Open the drain: continue it, or abort it to bring its nodes back.',
  certificate: 'Renew the certificate, and look why it was not renewed by itself.',
  collector: 'Look at the machine that Tidegate runs on: processor, memory and network.',
  store: 'Make room on the disk of Tidegate, or bring its database back.',
  baseline: 'Compare with the same hour of last week, and look what changed.',
}

/** What to do about an incident, short enough for a message. */
export const remedyOf = (incident: Incident): string => {
  const kind = worstFirst(incident)[0]?.kind ?? ''
  return (
    OF_KIND[kind as SignalKind] ??
    OF_FAMILY[kind.slice(0, Math.max(0, kind.indexOf('.'))) as SignalFamily] ??
    'Open the incident and look at its timeline.'
  )
}
