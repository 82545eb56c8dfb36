/** Who is in the demo fleet: three regions of two nodes, 24 tunnel hosts with a home each, and spare host ids. */

export interface DemoRegion {
  id: string
  name: string
  /** Latitude and longitude in degrees. */
  at: [number, number]
}

export const DEMO_REGIONS: readonly DemoRegion[] = [
  { id: 'sjc', name: 'San Jose', at: [37.34, -121.89] },
  { id: 'iad', name: 'Ashburn', at: [39.04, -77.49] },
  { id: 'fra', name: 'Frankfurt', at: [50.11, 8.68] },
]

export interface DemoPlace {
  id: string
  region: string
}

const NODES_PER_REGION = 2
const HOSTS = 24
const SPARES = 4

export const DEMO_PLACES: readonly DemoPlace[] = DEMO_REGIONS.flatMap((region) =>
  Array.from({ length: NODES_PER_REGION }, (_, index) => ({
    id: `${region.id}-${index + 1}`,
    region: region.id,
  })),
)

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index + 1).padStart(2, '0')}`)

export const DEMO_HOSTS: readonly string[] = numbered('host', HOSTS)
/** Accepted by every relay, used by nobody: for an operator's own `tidegate host`. */
export const SPARE_HOSTS: readonly string[] = numbered('spare', SPARES)

/**
 * The nodes that a host tries, in order: the two of its home region, alternating which comes first, then all others, beginning
 * with the region after its home so that a drained region's hosts spread.
 */
export const relaysOf = (hostIndex: number, places: readonly DemoPlace[]): DemoPlace[] => {
  const regions = [...new Set(places.map((place) => place.region))]
  const turn = Math.floor(hostIndex / regions.length)
  const order: DemoPlace[] = []
  for (let step = 0; step < regions.length; step++) {
    // Away from home every second host goes the other way round.
    const offset = step === 0 || turn % 4 < 2 ? step : regions.length - step
    const region = regions[(hostIndex + offset) % regions.length]
    const nodes = places.filter((place) => place.region === region)
    order.push(...nodes.map((_, index) => nodes[(index + turn) % nodes.length] as DemoPlace))
  }
  return order
}
