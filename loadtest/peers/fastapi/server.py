"""Users as FastAPI and SQLAlchemy's asynchronous ORM serve them, written the way their guides do.

The same answer for the same token over the same kind of database. It runs in a virtual environment
of its own, so it imports nothing of this repository. Environment: PORT, JWT_SECRET, DATABASE_URL.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import jwt
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET = os.environ["JWT_SECRET"]
URL = (
    os.environ["DATABASE_URL"]
    .replace("sqlite://", "sqlite+aiosqlite://", 1)
    .replace("postgresql://", "postgresql+asyncpg://", 1)
)

engine = create_async_engine(URL)
session_of = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """All tables."""


class User(Base):
    """A row."""

    __tablename__ = "peer_users"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    age: Mapped[int | None]
    role: Mapped[str] = mapped_column(default="rider")
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class NewUser(BaseModel):
    """What makes a user."""

    email: str = Field(max_length=254)
    name: str = Field(min_length=2, max_length=50)
    age: int | None = Field(default=None, ge=18, le=120)


class UserView(BaseModel):
    """A user as answers show it."""

    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, validate_by_name=True)

    id: str
    email: str
    name: str
    age: int | None
    role: str
    disabled: bool
    created_at: datetime
    updated_at: datetime
    version: int


class Envelope(BaseModel):
    """Every answer."""

    data: UserView


@contextlib.asynccontextmanager
async def _tables(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


async def _session() -> AsyncIterator[AsyncSession]:
    async with session_of() as session:
        yield session


async def _check_manager(authorization: Annotated[str, Header()]) -> None:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401) from error
    if claims.get("role") != "admin":
        raise HTTPException(403)


Session = Annotated[AsyncSession, Depends(_session)]
app = FastAPI(lifespan=_tables, dependencies=[Depends(_check_manager)])


@app.get("/api/users/{user_id}")
async def get_user(user_id: str, session: Session, response: Response) -> Envelope:
    """One user."""
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{user.version}"'
    return Envelope(data=UserView.model_validate(user))


@app.post("/api/users", status_code=201)
async def post_user(body: NewUser, session: Session) -> Envelope:
    """Make a user."""
    now = datetime.now(UTC)
    user = User(id=str(uuid.uuid4()), created_at=now, updated_at=now, **body.model_dump())
    session.add(user)
    await session.commit()
    return Envelope(data=UserView.model_validate(user))


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
