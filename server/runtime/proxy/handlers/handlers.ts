import type { RouteConfig } from '../../../contract/route-config.ts'
import type { RouteHandler } from '../http/exchange.ts'
import type { TargetGroup } from '../targets/target.ts'
import { TcpForward, type TcpServices } from '../tcp/connection.ts'
import type { ConnectionHandler } from '../tcp/handler.ts'
import { Forward } from './forward.ts'

/** What answers the requests, or carries the connections, of a route. `targets`: adopted when they are first asked for. */
export interface Handlers {
  http(route: RouteConfig, targets: () => TargetGroup): RouteHandler
  tcp(route: RouteConfig, targets: () => TargetGroup): ConnectionHandler
}

/** By `action.type`: a new type is a file beside this one, and an entry here. */
export const handlersOf = (services: TcpServices): Handlers => {
  const byType: Record<RouteConfig['action']['type'], Handlers> = {
    forward: {
      http: (route, targets) => new Forward(route.name, targets(), services),
      tcp: (_route, targets) => new TcpForward(targets(), services),
    },
  }
  return {
    http: (route, targets) => byType[route.action.type].http(route, targets),
    tcp: (route, targets) => byType[route.action.type].tcp(route, targets),
  }
}
