"""A small inventory, written to be quantized against, completed and changed."""

import json
from dataclasses import dataclass, field


@dataclass
class Item:
    name: str
    price: float
    count: int = 0
    tags: list = field(default_factory=list)

    def total(self):
        return self.price * self.count


class Inventory:
    def __init__(self, items=None):
        self.items = items or []

    def add(self, item):
        for existing in self.items:
            if existing.name == item.name:
                existing.count += item.count
                return existing
        self.items.append(item)
        return item

    def remove(self, name, count=1):
        for item in self.items:
            if item.name == name:
                if item.count < count:
                    raise ValueError("not enough items")
                item.count -= count
                return item
        raise KeyError(name)

    def total(self):
        return sum(item.total() for item in self.items)

    def find(self, tag):
        return [item for item in self.items if tag in item.tags]

    def save(self, path):
        with open(path, "w") as f:
            json.dump([item.__dict__ for item in self.items], f)


def load(path):
    with open(path) as f:
        return Inventory([Item(**data) for data in json.load(f)])


def main():
    inventory = Inventory()
    inventory.add(Item("apple", 0.5, 10, ["fruit"]))
    inventory.add(Item("bread", 2.0, 3))
    print(inventory.total())


if __name__ == "__main__":
    main()
