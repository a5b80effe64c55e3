"""Who asks, and in which roles: short-lived EdDSA tokens, verified against a key set that can rotate.

The same signed token is a bearer token for tools and, in an HttpOnly cookie, a session for the pages. A cookie
changes something only from our own origin.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from starlette.requests import Request

from shared import clock
from shared.errors import Forbidden, Unauthorized

NAME = "themodel"  # issuer and audience
COOKIE = "themodel_session"
LIFETIME = timedelta(hours=12)
ALGORITHMS = ["Ed25519", "EdDSA"]
REMEMBERED = 1024  # tokens whose signature was checked


class _Claims(jwt.JWTClaimsRegistry):
    """Whoever issued a token may have a clock that is ahead of ours; its end is ours to judge all the same."""

    def validate_iat(self, value: object) -> None:
        if isinstance(value, int | float):
            value = max(0, value - clock.FUTURE_TOLERANCE.total_seconds())
        super().validate_iat(value)


CLAIMS = _Claims(
    iss={"essential": True, "value": NAME},
    aud={"essential": True, "value": NAME},
    sub={"essential": True},
    exp={"essential": True},
)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Role(StrEnum):
    ADMIN = "admin"
    OPS_LEAD = "ops_lead"
    EXECUTIVE = "executive"
    MARKETING = "marketing"
    INSIDE_SALES = "inside_sales"
    FIELD_SALES = "field_sales"
    CUSTOMER_SUCCESS = "customer_success"
    PRODUCT = "product"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class User:
    """`subject` is a person's or a tool's stable name; a person may hold several roles (兼任)."""

    subject: str
    roles: frozenset[Role]

    def require(self, roles: Iterable[Role]) -> None:
        """Raises Forbidden unless the user holds one of `roles`, or is admin."""
        needed = {*roles, Role.ADMIN}
        if not needed & self.roles:
            raise Forbidden(f"This needs one of the roles: {', '.join(sorted(needed))}")

    def covers(self, roles: Iterable[str]) -> bool:
        """Whether the user may all that somebody in `roles` may."""
        return Role.ADMIN in self.roles or self.roles.issuperset(roles)

    def acting_as(self, roles: Iterable[Role]) -> Role:
        """The role an act is credited to: the first of `roles` the user holds, else admin."""
        return next((role for role in roles if role in self.roles), Role.ADMIN)


class Keys:
    """The public keys tokens are checked against, and, where this is the issuer, the private one."""

    def __init__(self, public: KeySet, private: OKPKey | None = None) -> None:
        self._public = public
        self._private = private
        self._signed_claims = lru_cache(REMEMBERED)(self._claims_of)  # checking a signature costs most of a read

    @classmethod
    def load_or_create(cls, folder: Path) -> "Keys":
        """The key pair of `folder` (private.jwk, readable by its owner only, and jwks.json), made at first use."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / "private.jwk"
        if not file.exists():
            _create(folder, file)
        return cls._of(OKPKey.import_key(json.loads(file.read_text())))

    @classmethod
    def load(cls, home: Path, jwks_file: Path | None) -> "Keys":
        """What a service checks with: the operator's key set where one is named, else the local pair."""
        if jwks_file is None:
            return cls.load_or_create(home / "keys")
        return cls(KeySet.import_key_set(json.loads(jwks_file.read_text())))

    @classmethod
    def _of(cls, key: OKPKey) -> "Keys":
        return cls(KeySet([OKPKey.import_key(key.as_dict(private=False))]), key)

    def issue(self, subject: str, roles: Sequence[str], ttl: timedelta = LIFETIME) -> str:
        """A token for `subject`. Raises ValueError for an unknown role or without a private key."""
        if self._private is None:
            raise ValueError("these keys only verify")
        now = clock.utc_now()
        claims = {
            "iss": NAME,
            "aud": NAME,
            "sub": subject,
            "roles": [Role(role).value for role in roles],
            "iat": int(now.timestamp()),
            "exp": int((now + ttl).timestamp()),
        }
        header = {"alg": "Ed25519", "kid": self._private.kid, "typ": "JWT"}
        return jwt.encode(header, claims, self._private, algorithms=ALGORITHMS)

    def verify(self, token: str) -> User:
        """Raises Unauthorized, saying no more than that the token does not hold."""
        try:
            claims = self._signed_claims(token)
            CLAIMS.validate(claims)  # every time: it may have expired since
            roles = frozenset(Role(role) for role in claims.get("roles", []))
        except (JoseError, ValueError, TypeError) as error:
            raise Unauthorized("The token is expired, malformed or not ours") from error
        return User(str(claims["sub"]), roles)

    def _claims_of(self, token: str) -> dict[str, Any]:
        return jwt.decode(token, self._public, algorithms=ALGORITHMS).claims


def _create(folder: Path, file: Path) -> None:
    """Five services may start at once: the first whole key wins, and nobody reads half of one."""
    key = OKPKey.generate_key("Ed25519", parameters={"use": "sig"}, private=True, auto_kid=True)
    draft = folder / f".{os.getpid()}.jwk"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(key.as_dict(private=True), out)
    try:
        os.link(draft, file)
        (folder / "jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    except FileExistsError:
        return
    finally:
        draft.unlink()


def authenticate(request: Request, keys: Keys) -> User:
    """The user of a request, by bearer token or by the pages' cookie. Raises Unauthorized or Forbidden."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return keys.verify(token.strip())
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        raise Unauthorized
    if request.method not in SAFE and not own_origin(request):
        raise Forbidden("A page of another origin may not change anything here")
    return keys.verify(cookie)


def own_origin(request: Request) -> bool:
    """Whether a browser sent this from a page of the same host and port."""
    origin = request.headers.get("origin") or request.headers.get("referer")
    return bool(origin) and urlsplit(origin or "").netloc == request.headers.get("host")
