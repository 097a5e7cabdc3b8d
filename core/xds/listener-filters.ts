/** Listener filters: what looks at the first bytes of a connection. The two inspectors are what there is. */
import type { FilterChainMatch } from "../config/model.ts";
import type { ListenerFilters } from "../config/tls.ts";
import type { Listener as ListenerMessage } from "./generated/envoy/config/listener/v3/listener_pb.ts";
import type { HttpInspector } from "./generated/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts";
import type { TlsInspector } from "./generated/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { openUnpacked, type Reader } from "./reader.ts";

const TLS_INSPECTOR = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
const HTTP_INSPECTOR = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector";

/**
 * Reads the listener filters. As in Envoy, one that asks for TLS, a server name or an application protocol has a
 * tls_inspector, whether or not it says so.
 */
export function readListenerFilters(
  reader: Reader<ListenerMessage>,
  matches: readonly FilterChainMatch[],
): ListenerFilters {
  let tlsInspector = matches.some(
    ({ transportProtocol, serverNames, applicationProtocols }) =>
      transportProtocol === "tls" ||
      (transportProtocol === "" && (serverNames.length > 0 || applicationProtocols.length > 0)),
  );
  let httpInspector = false;
  for (const filter of reader.children("listenerFilters")) {
    const name = filter.take("name");
    const chosen = filter.oneof("configType");
    if (chosen.case === "configDiscovery") {
      filter.refuseOneof(chosen);
      continue;
    }
    const packed = filter.packed();
    const { context } = filter;
    if (packed.typeName === TLS_INSPECTOR) {
      // How much is read at first is the runtime's business; the rest of it is refused.
      openUnpacked<TlsInspector>(context, packed, TLS_INSPECTOR)?.inert("initialReadBufferSize");
      tlsInspector = true;
    } else if (packed.typeName === HTTP_INSPECTOR) {
      openUnpacked<HttpInspector>(context, packed, HTTP_INSPECTOR);
      httpInspector = true;
    } else {
      filter.inert("filterDisabled");
      filter.refuseHere(packed.typeName || name);
    }
  }
  return {
    tlsInspector,
    httpInspector,
    timeout: reader.duration("listenerFiltersTimeout", 15_000),
    continueOnTimeout: reader.take("continueOnListenerFiltersTimeout"),
  };
}
