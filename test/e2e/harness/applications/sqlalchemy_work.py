"""SQLAlchemy with its own pool of connections, over psycopg2 and over asyncpg."""

import asyncio

import sqlalchemy as sa
import steps
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import declarative_base, relationship, sessionmaker

AT = steps.arguments()
PLACE = f"{AT['user']}@{AT['host']}:{AT['port']}/{AT['dbname']}"
Base = declarative_base()


class Author(Base):
    __tablename__ = "author"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.Text, unique=True)
    books = relationship("Book", back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.Text)
    author_id = sa.Column(sa.ForeignKey("author.id"))
    author = relationship("Author", back_populates="books")


engine = sa.create_engine(f"postgresql+psycopg2://{PLACE}", pool_size=3, pool_pre_ping=True)
Session = sessionmaker(engine)


def tables_are_made_and_seen():
    Base.metadata.create_all(engine)
    Base.metadata.create_all(engine)
    assert {"author", "book"} <= set(sa.inspect(engine).get_table_names())


def objects_are_kept():
    for n in range(20):
        with Session.begin() as session:
            session.add(Author(name=f"A{n}", books=[Book(title=f"{n}.{i}") for i in range(3)]))
    with Session() as session:
        assert session.query(Book).count() == 60
        author = session.query(Author).filter_by(name="A7").one()
        assert sorted(book.title for book in author.books) == ["7.0", "7.1", "7.2"]


def prepared():
    pids = []
    for n in range(40):
        with engine.connect() as conn:
            row = conn.execute(sa.text("select pg_backend_pid(), :n * 2"), {"n": n}).one()
            assert row[1] == 2 * n
            pids.append(row[0])
    return pids


def errors():
    for n in range(10):
        try:
            with Session.begin() as session:
                session.add(Author(name=f"A{n}"))
        except sa.exc.IntegrityError:
            pass
        else:
            raise AssertionError("a duplicate was taken")
        with Session() as session, session.begin():
            nested = session.begin_nested()
            session.query(Author).filter_by(name=f"A{n}").update({"name": f"B{n}"})
            nested.rollback()
            assert session.query(Author).filter_by(name=f"A{n}").count() == 1


def isolation_and_streaming():
    own = engine.execution_options(isolation_level="REPEATABLE READ")
    with own.connect() as conn:
        assert conn.execute(sa.text("show transaction_isolation")).scalar() == "repeatable read"
    with engine.connect().execution_options(stream_results=True) as conn:
        rows = conn.execute(sa.text("select generate_series(1, 500)"))
        assert sum(row[0] for row in rows) == 125250
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        for _ in range(10):
            conn.execute(sa.text("select 1"))


async def over_asyncpg():
    other = create_async_engine(f"postgresql+asyncpg://{PLACE}", pool_size=3)
    table, pids = Author.__table__, []
    for n in range(30):
        async with other.connect() as conn:
            row = (await conn.execute(sa.select(sa.func.pg_backend_pid(), table.c.name)
                                      .where(table.c.name == f"A{n % 20}"))).one()
            assert row[1] == f"A{n % 20}"
            pids.append(row[0])
    async with other.begin() as conn:
        await conn.execute(sa.delete(Book.__table__))
    async with other.connect() as conn:
        count = sa.select(sa.func.count()).select_from(Book.__table__)
        assert (await conn.execute(count)).scalar() == 0
    await other.dispose()
    return pids


def with_asyncpg():
    return asyncio.run(asyncio.wait_for(over_asyncpg(), 30))


def ends():
    Base.metadata.drop_all(engine)
    engine.dispose()


steps.run([tables_are_made_and_seen, objects_are_kept, prepared, errors, isolation_and_streaming,
           with_asyncpg, ends])
