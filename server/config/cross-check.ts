import type { Problem } from '../contract/errors.ts'
import type { Config } from './schema.ts'

/** Rules that hold between fields. */
export const crossCheck = (config: Config): Problem[] => {
  const problems: Problem[] = []
  const { intervalMs, timeoutMs } = config.polling
  if (timeoutMs >= intervalMs) {
    problems.push({
      path: 'polling.timeoutMs',
      message: `is ${timeoutMs}, polling.intervalMs is ${intervalMs}; a poll must finish before the next begins, for example 3000 and 5000`,
    })
  }
  const regions = new Set<string>()
  config.regions.forEach((region, index) => {
    if (regions.has(region.id))
      problems.push({
        path: `regions[${index}].id`,
        message: `is "${region.id}", which another region has; ids are unique`,
      })
    regions.add(region.id)
  })
  const nodes = new Set<string>()
  for (const list of ['nodes', 'embedded'] as const) {
    config[list].forEach((node, index) => {
      if (nodes.has(node.id))
        problems.push({
          path: `${list}[${index}].id`,
          message: `is "${node.id}", which another node has; ids are unique`,
        })
      nodes.add(node.id)
      if (!regions.has(node.region)) {
        problems.push({
          path: `${list}[${index}].region`,
          message: `is "${node.region}"; it must be one of regions: ${[...regions].join(', ')}`,
        })
      }
    })
  }
  if (nodes.size === 0)
    problems.push({ path: 'nodes', message: 'is empty, and embedded too; name at least one node to watch' })
  return problems
}
