import type { RoomProblem } from '../contract/fleet.ts'

const OWN_NODES = 'Point it at what you run: see "What you run already" in README.md'

/** The lines on the terminal once the server is ready. */
export const announce = (facts: {
  version: string
  url: string
  demo: boolean
  setupLink: string | null
  openProblem: RoomProblem | null
  /** Epoch ms. */
  startedAt: number
}): void => {
  const seconds = ((Date.now() - facts.startedAt) / 1_000).toFixed(1)
  const lines = [
    `Tidegate ${facts.version} is ready at ${facts.url} (${seconds} s)`,
    ...(facts.demo
      ? ['This is the DEMO fleet: three regions, six nodes, 24 tunnel hosts, all on this machine.', OWN_NODES]
      : []),
    ...(facts.setupLink === null
      ? []
      : [`Create the first administrator within the hour: ${facts.setupLink}`]),
    ...(facts.openProblem === null ? [] : [`${facts.openProblem.text} ${facts.openProblem.remedy}`]),
  ]
  process.stdout.write(`${lines.map((line) => `  ${line}`).join('\n')}\n`)
}
