/**
 * Where facts come from: the request's headers and the host's properties. One host call per fact, made when a rule
 * first asks; what the host gives lies in the arena until the callback ends.
 *
 * The host's `source.address` is the client as it makes it out, with port 0 if it comes from X-Forwarded-For: then it
 * says nothing of the TCP peer, which is UNKNOWN, unless the configuration names another property for it.
 */

import { Status } from "../sdk/abi";
import { allocate } from "../sdk/arena";
import { proxy_get_header_map_pairs, proxy_get_header_map_value, proxy_get_property } from "../sdk/env";
import { propertyPath } from "../sdk/property";
import { lower, Slice } from "../sdk/slice";
import {
  ABSENT,
  ACCOUNT,
  Fact,
  Facts,
  FOUND,
  HEADERS_LENGTH,
  HOST,
  LOCAL,
  METHOD,
  NAMESPACE,
  OTHER_IDENTITY,
  PATH,
  PEER,
  PORT,
  PRINCIPAL,
  REMOTE,
  SERVER_NAME,
  TRUST_DOMAIN,
  UNASKED,
  UNKNOWN,
} from "./facts";
import { Address, parseAddress, parsePeer } from "./ip-block";
import { SCHEME_LENGTH, SpiffeId, splitSpiffeId } from "./spiffe-id";

const HEADER_METHOD = Slice.of(":method");
const HEADER_PATH = Slice.of(":path");
const HEADER_AUTHORITY = Slice.of(":authority");
const URI_SAN = propertyPath(["connection", "uri_san_peer_certificate"]);
const DNS_SAN = propertyPath(["connection", "dns_san_peer_certificate"]);
const CERTIFICATE_SUBJECT = propertyPath(["connection", "subject_peer_certificate"]);
const SNI = propertyPath(["connection", "requested_server_name"]);
const SOURCE = propertyPath(["source", "address"]);
const DESTINATION = propertyPath(["destination", "address"]);
const DESTINATION_PORT = propertyPath(["destination", "port"]);

/** Where the host writes place and length. */
const GIVEN: usize = memory.data(8);
const ID: usize = memory.data(32);
const REQUEST_HEADERS: i32 = 0;
const COMMA: u8 = 0x2c;

function stateOf(status: i32): u32 {
  return status === Status.Ok ? FOUND : status === Status.NotFound ? ABSENT : UNKNOWN;
}

function property(fact: Fact, path: usize, length: u32): void {
  fact.state = stateOf(proxy_get_property(path, length, GIVEN, GIVEN + 4));
  fact.data = load<usize>(GIVEN);
  fact.length = fact.state === FOUND ? load<u32>(GIVEN + 4) : 0;
}

function header(fact: Fact, name: Slice): void {
  fact.state = stateOf(proxy_get_header_map_value(REQUEST_HEADERS, name.ptr, name.length, GIVEN, GIVEN + 4));
  fact.data = load<usize>(GIVEN);
  fact.length = fact.state === FOUND ? load<u32>(GIVEN + 4) : 0;
}

/** The fact, fetched if nobody has asked for it yet. */
export function ask(facts: Facts, id: u32): Fact {
  const fact = facts.at(id);
  if (fact.state === UNASKED) fetchFact(facts, id);
  return fact;
}

/** Settles a fact, and those that come with it. */
function fetchFact(facts: Facts, id: u32): void {
  const fact = facts.at(id);
  switch (id) {
    case PRINCIPAL:
      property(fact, URI_SAN.ptr, URI_SAN.length);
      if (fact.length === 0 && fact.state === FOUND) fact.state = ABSENT;
      break;
    case NAMESPACE:
    case ACCOUNT:
    case TRUST_DOMAIN:
      splitPrincipal(facts);
      break;
    case PEER:
    case REMOTE:
      fetchSource(facts);
      break;
    case LOCAL:
      property(fact, DESTINATION.ptr, DESTINATION.length);
      readAddress(fact);
      break;
    case PORT:
      property(fact, DESTINATION_PORT.ptr, DESTINATION_PORT.length);
      if (fact.state === FOUND && fact.length !== 8) fact.state = UNKNOWN;
      if (fact.state === FOUND) fact.length = load<u32>(fact.data);
      break;
    case HOST:
      header(fact, HEADER_AUTHORITY);
      toLower(fact);
      break;
    case METHOD:
      header(fact, HEADER_METHOD);
      break;
    case PATH:
      header(fact, HEADER_PATH);
      cutQuery(fact);
      break;
    case SERVER_NAME:
      property(fact, SNI.ptr, SNI.length);
      break;
    case OTHER_IDENTITY:
      property(fact, DNS_SAN.ptr, DNS_SAN.length);
      if (fact.length === 0 && fact.state !== UNKNOWN) {
        property(fact, CERTIFICATE_SUBJECT.ptr, CERTIFICATE_SUBJECT.length);
      }
      if (fact.length === 0 && fact.state === FOUND) fact.state = ABSENT;
      break;
    default:
      property(fact, fact.property, fact.propertyLength);
      if (fact.isHeader && fact.state === FOUND) findLines(fact);
  }
}

/** Parts a header of several lines, which the host gives joined by commas, from one that has commas of its own. */
function findLines(fact: Fact): void {
  fact.lines = 0;
  let at: u32 = 0;
  while (at < fact.length && load<u8>(fact.data + at) !== COMMA) at++;
  if (at === fact.length) return;
  const name = fact.property + HEADERS_LENGTH;
  const size = fact.propertyLength - HEADERS_LENGTH;
  const status = proxy_get_header_map_value(REQUEST_HEADERS, name, size, GIVEN, GIVEN + 4);
  if (status === Status.Ok && load<u32>(GIVEN + 4) === fact.length) return;
  fact.state = stateOf(proxy_get_header_map_pairs(REQUEST_HEADERS, GIVEN, GIVEN + 4));
  fact.lines = load<usize>(GIVEN);
  fact.linesLength = load<u32>(GIVEN + 4);
}

function splitPrincipal(facts: Facts): void {
  const principal = ask(facts, PRINCIPAL);
  const id = changetype<SpiffeId>(ID);
  id.namespaceLength = 0;
  id.accountLength = 0;
  id.trustDomainLength = 0;
  if (principal.state === FOUND) splitSpiffeId(principal.data, principal.length, id);
  const name = principal.data + id.namespaceAt;
  part(facts, NAMESPACE, principal.state, name, id.namespaceLength);
  part(facts, ACCOUNT, principal.state, name, id.accountLength);
  part(facts, TRUST_DOMAIN, principal.state, principal.data + SCHEME_LENGTH, id.trustDomainLength);
}

function part(facts: Facts, id: u32, state: u32, data: usize, length: u32): void {
  const fact = facts.at(id);
  fact.state = state === UNKNOWN ? UNKNOWN : length === 0 ? ABSENT : FOUND;
  fact.data = data;
  fact.length = length;
}

function fetchSource(facts: Facts): void {
  const remote = facts.at(REMOTE);
  const peer = facts.at(PEER);
  property(remote, SOURCE.ptr, SOURCE.length);
  readAddress(remote);
  peer.state = remote.state;
  peer.data = remote.data;
  if (facts.peerProperty !== 0) {
    property(peer, facts.peerProperty, facts.peerPropertyLength);
    readAddress(peer);
    // The property was named for this purpose: without it nothing is known.
    if (peer.state === ABSENT) peer.state = UNKNOWN;
  } else if (remote.state === FOUND && changetype<Address>(remote.data).port === 0) peer.state = UNKNOWN;
}

/** Makes an address of the text; a peer without one (a pipe) has none. */
function readAddress(fact: Fact): void {
  if (fact.state !== FOUND) return;
  const address = changetype<Address>(allocate(offsetof<Address>()));
  const isAddress =
    parsePeer(fact.data, fact.length, address) || parseAddress(fact.data, fact.length, address);
  fact.state = isAddress ? FOUND : ABSENT;
  fact.data = changetype<usize>(address);
}

function cutQuery(fact: Fact): void {
  for (let i: u32 = 0; i < fact.length; i++) {
    const byte = load<u8>(fact.data + i);
    if (byte === 0x3f || byte === 0x23) fact.length = i;
  }
}

/** In place: the bytes are ours. */
function toLower(fact: Fact): void {
  for (let i: u32 = 0; i < fact.length; i++) store<u8>(fact.data + i, lower(load<u8>(fact.data + i)));
}
