import type { RouteConfig } from '../../../contract/node-config.ts'
import type { RouteHandler } from '../http/exchange.ts'
import type { TargetGroup } from '../targets/target.ts'
import { Forward, type ForwardServices } from './forward.ts'

type ActionType = RouteConfig['action']['type']

/** What answers the requests of routes, by `action.type`: a new type is a file beside this one and a line here. */
const HANDLERS: Record<
  ActionType,
  (route: RouteConfig, targets: () => TargetGroup, services: ForwardServices) => RouteHandler
> = {
  forward: (route, targets, services) => new Forward(route.name, targets(), services),
}

/** The handler of a route. */
export const makeHandler = (
  route: RouteConfig,
  targets: () => TargetGroup,
  services: ForwardServices,
): RouteHandler => HANDLERS[route.action.type](route, targets, services)
